"""Commands that belong to no other room: `costs`, and the course as files and in JupyterLab."""
