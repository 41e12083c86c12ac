"""What the gallery's figures and the notebooks' pictures show, in words, for those who do not see
them.

They stand here and not in the notebooks' cells, where they would say what is to be seen before the
reader has guessed it.
"""

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
        "One 1x1 to several channels, then one 3x3 for each of them, concatenated."
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
        "Times as fast in bf16 as in fp32 over segments: about two, more at some tens of them,"
        " little or nothing with many."
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
    "draw_confusion": (
        "A square of numbers: rows are classes, columns guesses; most of every row stands on the"
        " diagonal."
    ),
    "draw_images_a_class": (
        "Accuracy over photographs a class rises steeply at first and then flattens; random weights"
        " stay at the foot."
    ),
    "draw_sweep": (
        "Left: accuracy at each number of segments, a dot a seed, means with intervals. Right:"
        " differences from both ends, with intervals."
    ),
    "draw_ablations": (
        "Left: a row for each change of network or training, its difference in accuracy with an"
        " interval. Right: separable less regular over the entanglement of made images."
    ),
    "draw_rooms": (
        "The package: six count by hand and seven by machine; they share configs and meet"
        " in measure. Ten rooms lie behind."
    ),
}

# Of what `show_images` and `show_lines` draw in the notebooks, by the name given there.
PICTURES = {
    "cat_edges": (
        "A cat; beside it in light, where brightness changes sideways: whiskers, eyes, ears."
    ),
    "one_layer_replaced": (
        "Two lines over 34 layers. Random numbers cost most of the accuracy in the entry flow and"
        " in the last layers, less in the middle. The nearest pattern costs much in the third layer"
        " alone, some in the other early ones, and from the tenth on next to nothing."
    ),
    "maps_of_a_cat": (
        "Four coarse gray maps of a cat's face: bright and dark spots where its eyes and edges are."
    ),
    "four_kernels": (
        "Four gray cats: vertical edges, horizontal edges, blurred, and fur, bright where red."
    ),
    "a_kernel_per_channel": (
        "A column for each color: its channel, its own 3x3 kernel, and what that makes of it:"
        " vertical edges, horizontal edges, a blur."
    ),
    "mixed_by_a_1x1": (
        "A cat's eye: in relief from the side, in relief from above, and as edges alone."
    ),
    "both_orders": (
        "The photograph; its third output in both orders: sharp edges; a blur, bright where red."
    ),
    "what_a_relu_loses": (
        "Edges of both signs, white and black on gray; the white ones; the black, shown white."
    ),
    "distance_over_multiplier": (
        "Two falling lines: random from above 0.8, upscaler from about 0.4; zero from m = 9 on."
    ),
    "enlarged_photographs": (
        "The cat's eye four times: sharp; in squares at m = 1; smooth at m = 5 and m = 9."
    ),
    "four_photographs": (
        "Four square photographs: a cat, an astronaut, a cup of coffee, a rocket on its pad."
    ),
    "digits": "Eight handwritten digits of 8 by 8 pixels, each with its label above it.",
    "augmented_digits": (
        "The same eight digits at 16 by 16 pixels, each a little shifted, turned and zoomed."
    ),
    "kernels_and_gradients": (
        "Eight kernels of 3 by 3 random weights in gray; below each its gradient, as large."
    ),
    "first_losses": (
        "A line that falls, with small rises, from about 2.5 to below 1 within twenty steps."
    ),
    "imagenet_staircase": (
        "A staircase of twenty ever lower steps, from 0.045 to less than a third in 40 epochs."
    ),
    "first_maps": (
        "Eight small gray cats, each bright elsewhere: along edges, in light places, in dark ones."
    ),
    "cat_and_coffee": "Two photographs, a cat's face and a cup of coffee, with their labels.",
    "workers_and_networks": (
        "Three rising lines over 1 to 60 workers: on Ethernet to 10, on 100 Gb to 40, inside one"
        " machine to 59."
    ),
    "late_gradients": (
        "Three lines over lateness 0 to 16: the smallest rate flat; the largest from best to worst."
    ),
}
