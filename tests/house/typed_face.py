"""What a type checker knows of the public face; mypy reads this file, nothing runs it."""

from typing import assert_type

import xception_edu as xe
from xception_edu.explorers.segments import SegmentsExplorer

net = xe.xception(xe.XceptionConfig())
assert_type(net, xe.Xception)
assert_type(xe.inception_v3(), xe.InceptionV3)
assert_type(xe.vgg(), xe.VGG)
assert_type(xe.total(xe.architectures.xception()), xe.Cost)
assert_type(xe.total(xe.architectures.xception()).params, int)
assert_type(xe.measured_cost(net, (3, 299, 299)), xe.Cost)
assert_type(xe.IMAGENET, xe.Recipe)
assert_type(xe.paper.MODULES, int)
assert_type(xe.segments_explorer(), SegmentsExplorer)
assert_type(xe.__version__, str)
