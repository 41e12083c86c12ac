"""What the figures of the gallery show, in words, for those who do not see them."""

WORDS = {
    "draw_figure_1_canonical_inception": (
        "Four towers over one input: 1x1; 1x1 then 3x3; 1x1 then two 3x3; average pooling then"
        " 1x1; concatenated."
    ),
    "draw_figure_2_simplified_inception": (
        "Three towers over one input, each a 1x1 to 4 channels and a 3x3 from these 4 to 4,"
        " concatenated to 12 channels."
    ),
    "draw_figure_3_equivalent_module": (
        "One 1x1 to 12 channels, drawn as three colored segments of 4; a 3x3 on each segment;"
        " concatenated to 12 channels."
    ),
    "draw_figure_4_extreme_inception": (
        "One 1x1 to 12 channels, then one 3x3 for each of the 12 channels, concatenated."
    ),
    "draw_figure_5_xception": (
        "Three columns: an entry flow of two convolutions and three blocks, a middle block"
        " repeated 8 times, an exit flow."
    ),
    "draw_cost_curves": (
        "Parameters and MACs fall steeply from 1 segment to about 32 and hardly after;"
        " activations stay; MACs per byte fall."
    ),
    "draw_xception_shares": (
        "Bars: the 1x1 layers have most of Xception's parameters, the depthwise 3x3 hardly any;"
        " more than half of the MACs are in the middle flow."
    ),
    "draw_xception_over_segments": (
        "Bars of Xception's parameters over its segments: those of the 3x3 fall from most of 184"
        " million to next to nothing; those of the 1x1 stay."
    ),
    "draw_depth_profiles": (
        "VGG-16: parameters at its end, work before; Inception V3: even work; Xception: most"
        " memory at its beginning."
    ),
    "draw_latency_beside_macs": (
        "Over segments the share of MACs falls along a straight line; the share of the time stays"
        " above it."
    ),
    "draw_intensity_over_segments": (
        "MACs a byte fall with the segments, below what keeps the arithmetic busy before there is"
        " one segment a channel."
    ),
    "draw_half_precision": (
        "Times as fast in bf16 as in fp32 over segments: most at one segment, little or nothing at"
        " others."
    ),
    "draw_ways_on_gpu": (
        "Four ways over segments, up to hundreds of times apart; for 128 channels one with zeros"
        " beats most grouped ones."
    ),
    "draw_macs_beside_time_on_gpu": (
        "Nine tenths of Xception's MACs are in its 1×1 layers, a quarter of the time; batch norm"
        " takes as long, with none."
    ),
    "draw_roofline": (
        "Layers as dots under a roof: 1×1 and k×k near its flat part, depthwise ones at the foot"
        " of its slope."
    ),
    "draw_time_lost": (
        "Bars of time by kind of layer: in Xception the depthwise layers lose most of theirs, the"
        " 1×1 little."
    ),
    "draw_spectrum": (
        "Left: accuracy rises from 1 segment to 8 and 16 and is lower again at one a channel."
        " Right: none is best, then ELU."
    ),
    "draw_rooms": (
        "The package: six files count by hand and seven by machine; they share configs and meet in"
        " measure. Nine rooms lie behind."
    ),
}
