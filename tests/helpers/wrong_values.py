"""Values that are wrong for arguments of a kind, for Hypothesis to draw from."""

from hypothesis import strategies as st

not_text = st.one_of(st.integers(), st.none(), st.booleans())
not_boolean = st.one_of(st.integers(), st.text(max_size=3), st.none())
not_an_option = st.one_of(st.text(max_size=2), st.integers(), st.booleans(), st.floats())
not_positive = st.one_of(
    st.floats(max_value=0),
    st.just(float("nan")),
    st.just(float("inf")),
    st.text(max_size=3),
    st.booleans(),
)
