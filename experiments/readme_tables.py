"""Write the tables of measurements from results/*.json, each between its two markers: those of
results/README.md, and the few sentences of the front page.

    python experiments/readme_tables.py           writes them
    python experiments/readme_tables.py --check   writes nothing; status 1 if one differs

A table stands between `<!-- table NAME -->` and `<!-- end -->`. One whose measurements are not
there stays as it is.
"""

import json
import pathlib
import re
import statistics
import sys
from collections.abc import Callable, Sequence

from xception_edu import architectures, conv_algorithms
from xception_edu.benchmark import records
from xception_edu.configs import ModuleConfig
from xception_edu.costs import total
from xception_edu.layers import SegmentedConv2d
from xception_edu.specs import ConvSpec, Shape, Spec

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "results"
PAGES = (ROOT / "README.md", ROOT / "README.ko.md", RESULTS / "README.md")
MARKED = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
RECIPES = ("digits", "photos", "cifar10")


def read(name: str) -> dict:
    """A record of results/."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """A table, numbers to the right, and a line below it."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return (
        "\n"
        + "\n".join("| " + " | ".join(line) + " |" for line in lines)
        + "\n"
        + f"\n{note}\n" * bool(note)
        + "\n"
    )


def conditions(record: dict) -> str:
    """Below a table: what measured it, on what, and what else went on there."""
    on = records.describe_machine(record)
    share = record["load"]["share_of_others"]
    others = (
        "" if share is None else f"; other programs used {share:.0%} of the processors meanwhile"
    )
    stopped = (
        f" **Stopped early: {record['left_out']} cases are left out.**"
        if "left_out" in record
        else ""
    )
    too_large = (
        f" Memory held too few contenders for {'; '.join(record['too_large'])}."
        if "too_large" in record
        else ""
    )
    return f"`{record['command']}` on {on}{others}.{too_large}{stopped}"


def networks() -> str:
    """Ours against each peer at equal settings: both by default, and both at their best."""
    return _networks(read("networks"))


def networks_on_gpu() -> str:
    """The same on a GPU; of a record that is older than equal settings the times alone."""
    record = read("gpu/networks")
    return _networks(record) if "settings" in record else _times_alone(record)


def _networks(record: dict) -> str:
    rows = []
    for case in record["cases"]:
        for against in case["against"]:
            rows.append(_compared(case, against))
    head = (
        "Xception at 299×299, ours is times as fast as",
        "both by default",
        "both at their best",
        "ours at its best",
        "the peer at its best",
        "ours, of the roofline",
    )
    notes = (_where_time_goes(record), _over_the_roof(record), _meanwhile(record))
    return markdown(head, rows, "".join(notes) + _on_machine(record))


def _compared(case: dict, against: dict) -> list[str]:
    """A peer's row: ratios of throughput, and the times that they come from."""
    peer, best = against["peer"], against["best"]
    ours, theirs = _row(case, "ours", best["ours"]), _row(case, peer, best["peer"])
    return [
        f"{peer}: {case['mode']}, batch {case['batch']}, {case['dtype']}",
        _between(against["default"]),
        _between(best),
        f"{ours['median_ms']:,.0f} ms ({_in_words(best['ours'])})",
        f"{theirs['median_ms']:,.0f} ms ({_in_words(best['peer'])})",
        f"{ours['fraction']:.0%}",
    ]


def _row(case: dict, who: str, way: str) -> dict:
    (row,) = records.rows_with(case["rows"], who=who, way=way)
    return row


def _between(ratio: dict) -> str:
    """A ratio, and what holds it."""
    return f"{ratio['ratio']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _in_words(way: str) -> str:
    return way.replace("_", " ")


def settings() -> str:
    """How many times as fast each setting alone makes ours, and timm's."""
    record = read("networks")
    cases = [case for case in record["cases"] if len(case["alone"]) > 2]
    ways = dict.fromkeys(row["way"] for case in cases for row in case["alone"])
    order = [*record["settings"], "one_thread", "all", "all, compiled"]
    rows = []
    for way in sorted(ways, key=order.index):
        rows.append([_in_words(way), *(_brought(case, way) for case in cases)])
    head = [f"{case['mode']}, {case['dtype']}" for case in cases]
    note = (
        f"Times as fast as by default, ours / timm's, batch {cases[0]['batch']}; a dash: not tried,"
        " or of no use there. "
    )
    return markdown(["a setting alone", *head], rows, note + _on_machine(record))


def turns() -> str:
    """What comes between two steps, and how many times as long the next one takes."""
    record = read("race_turns")
    rows = [
        [row["behind"], f"{row['median_ms']:,.0f} ms", _between(row), f"{row['faults']:,}"]
        for row in record["rows"]
    ]
    head = ("timm's step, training, float32", "it takes", "times as long", "page faults")
    return markdown(head, rows, conditions(record))


def candidates() -> str:
    """What was tried to make a step of ours faster."""
    record = read("faster_step")
    of_machine: dict[str, list[dict]] = {}
    for case in record["cases"]:
        of_machine.setdefault(records.describe_machine(case), []).append(case)
    tables = []
    for measured in of_machine.values():
        head = [f"{c['mode']}, batch {c['batch']}, {c['dtype']}" for c in measured]
        rows = []
        for name, words in record["candidates"].items():
            brought = [_tried(case, name) for case in measured]
            if any(brought):
                rows.append([words.removesuffix("."), *(cell or "–" for cell in brought)])
        loads = [case["load"] for case in measured]
        busiest = max(loads, key=lambda load: load["share_of_others"] or 0)
        note = _paid(measured) + conditions(measured[-1] | {"load": busiest})
        tables.append(markdown(["times as fast as ours then; as timm's", *head], rows, note))
    return "".join(tables)


def _tried(case: dict, candidate: str) -> str:
    """What a candidate brought there; nothing where it was not tried."""
    found = records.rows_with(case["rows"], candidate=candidate)
    return "; ".join(_between(row[over]) for row in found for over in ("over_ours", "over_timm"))


def _paid(cases: Sequence[dict]) -> str:
    """Which candidates are over 1.05 beyond doubt, and where."""
    found = []
    for case in cases:
        where = f"{case['mode']} in {case['dtype']} at batch {case['batch']}"
        paying = [r["candidate"] for r in case["rows"] if r["over_ours"]["low"] > 1.05]
        found += [f"`{name}` ({where})" for name in paying]
    return f"Beyond doubt over 1.05: {', '.join(found) or 'none'}. "


def _brought(case: dict, way: str) -> str:
    found = records.rows_with(case["alone"], way=way)
    if not found:
        return "–"
    return " / ".join(_between(found[0][who]) for who in ("ours", "timm"))


def _meanwhile(record: dict) -> str:
    """How busy other programs kept the machine during the races, at most."""
    shares = [case["load"]["share_of_others"] for case in record["cases"]]
    blocks = min(row["blocks"] for case in record["cases"] for row in case["rows"])
    known = [share for share in shares if share is not None]
    others = f"; other programs used at most {max(known):.0%} of the processors" if known else ""
    return (
        f"In brackets: what holds the median with 95 % (of fewer than six rounds with less; here"
        f" {blocks} or more){others}. "
    )


def _on_machine(record: dict) -> str:
    return f"`{record['command']}` on {records.describe_machine(record)}."


def _times_alone(record: dict) -> str:
    """Every contender's time on a GPU, in a race whose settings were not equal."""
    rows = [
        [
            f"{row['who']} {row['form']}",
            f"{case['mode']}, {case['batch']}, {case['dtype']}",
            f"{row['median_ms']:,.1f} ms",
            f"{row['images_per_second']:,.0f}",
            f"{row['peak_bytes'] / 2**30:.1f} GiB",
            f"{row['fraction']:.0%}",
        ]
        for case in record["cases"]
        for row in sorted(case["rows"], key=lambda row: -row["ratio"])
    ]
    head = (
        "Xception at 299×299",
        "mode, batch, numbers",
        "time",
        "images/s",
        "memory",
        "of the roofline",
    )
    note = (
        "Times, not a comparison: ours alone had a fused optimizer. To be run anew where a GPU is"
        " at hand. "
    )
    return markdown(head, rows, f"{note}{_where_time_goes(record)}{conditions(record)}")


def _where_time_goes(record: dict) -> str:
    """The longest operators of the profiled training steps of the first batch size, in words."""
    profiled = [
        case for case in record["cases"] if case["mode"] == "training" and "profile" in case
    ]
    if not profiled:
        return ""
    batch = profiled[0]["batch"]
    goes = "; ".join(_longest(case) for case in profiled if case["batch"] == batch)
    return f"Where a training step of ours (batch {batch}) goes: {goes}. {_apart(record)}"


def _longest(case: dict) -> str:
    shares = ", ".join(f"{row['share']:.0%} `{row['operator']}`" for row in case["profile"][:5])
    return f"in {case['dtype']} {shares}"


def _apart(record: dict) -> str:
    """How far the losses of ours and timm's are apart."""
    apart = " and ".join(
        f"{curve['largest_difference']:.2g} in {curve['dtype']}" for curve in record["losses"]
    )
    losses = "Losses of 20 steps of ours and timm's, equal at first, are parted by rounding"
    return f"{losses}: by at most {apart}. " if apart else ""


def _over_the_roof(record: dict) -> str:
    """Why a share of the roofline may be more than all of it, if one is."""
    if max(row["fraction"] for case in record["cases"] for row in case["rows"]) <= 1:
        return ""
    peak = record["ceilings"]["macs_per_second"]["float32"] / 1e9
    why = (
        "the roofline sends every map of every layer through memory; a cache, or batch"
        " normalization folded, saves that"
    )
    return (
        f"A share over 100%: {why}; and its ceilings are those of this run (float32: {peak:.0f}"
        " GMAC/s). "
    )


def segments() -> str:
    """SegmentedConv2d against the best of four other ways to compute the same."""
    record = read("segments_latency")
    groups: dict[str, list[dict]] = {}
    for case in record["cases"]:
        groups.setdefault(
            f"{case['channels']} channels, {case['side']}×{case['side']}, {case['dtype']}", []
        ).append(case)
    rows = [
        [
            name,
            f"{statistics.median(case['ratio'] for case in cases):.2f}",
            f"{max(case['ratio'] for case in cases):.2f}",
            _over([case["ratio"] for case in cases]),
            f"{statistics.median(case['fraction'] for case in cases):.0%}",
        ]
        for name, cases in groups.items()
    ]
    head = (
        "`SegmentedConv2d` over the fastest of four others",
        "median",
        "worst",
        "over 1.05",
        "of the roofline",
    )
    over = [case for case in record["cases"] if case["ratio"] > 1.05]
    chosen = sum(case["regret"] > 1.05 for case in over)
    note = (
        f"In {chosen} of the {len(over)} over 1.05 the algorithm that it chooses is not the"
        " fastest: timed by itself it is over 1.05 too."
    )
    return markdown(head, rows, f"{note} {conditions(record)}")


def _over(ratios: list[float]) -> str:
    """How many of them are over 1.05."""
    return f"{sum(ratio > 1.05 for ratio in ratios)} of {len(ratios)}"


def segments_on_gpu() -> str:
    """Four ways to compute the segmented 3x3 in half precision, and which of them SegmentedConv2d's
    rule picks.
    """
    record = read("gpu/segments_latency")
    cases = [case for case in record["cases"] if case["dtype"] == "bfloat16"]
    names = {
        "grouped_nchw": "always grouped, NCHW",
        "grouped_channels_last": "always grouped, channels_last",
        "dense": "always one regular convolution with zeros",
        "loop": "always a convolution a piece",
    }
    ways = {names[form]: [_times_as_long(case, form) for case in cases] for form in names}
    ways["what `SegmentedConv2d` picks"] = [_times_as_long(case, _picked(case)) for case in cases]
    rows = [
        [
            name,
            f"{statistics.median(ratios):.2f}",
            f"{max(ratios):.1f}",
            _over(ratios),
        ]
        for name, ratios in ways.items()
    ]
    head = (
        f"The 3×3 over its segments, {record['batch']} images, bfloat16: over the fastest way",
        "median",
        "worst",
        "over 1.05",
    )
    note = (
        "Of each way by itself, copies of layout included; the weights with zeros were made before."
    )
    return markdown(head, rows, f"{note} {conditions(record)}")


def _times_as_long(case: dict, form: str) -> float:
    """Time of a form over that of the fastest."""
    times = {
        name: measured["median_ms"] for name, measured in case["forms"].items() if name != "ours"
    }
    return times[form] / min(times.values())


def _picked(case: dict) -> str:
    """The form of SegmentedConv2d on a GPU; the rule is newer than the measurement that it was made
    from.
    """
    conv = SegmentedConv2d(case["channels"], case["channels"], segments=case["segments"])
    return conv_algorithms.choose(
        conv.segmentation,
        device="cuda",
        dtype="bfloat16",
        layout=case["layout"],
        gradients=case["mode"] == "training",
    )


def counting() -> str:
    """How long every tool takes to count Xception's MACs."""
    record = read("counting")
    rows = [_counted(row) for row in record["counters"]]
    agree = (
        "All agree on convolutions and the classifier."
        if record["agree"]
        else "**They disagree on convolutions.**"
    )
    head = (
        "MACs of Xception counted by",
        "time",
        "times as long",
        "convolutions and classifier",
        "counted besides",
    )
    return markdown(head, rows, f"{agree} {conditions(record)}")


def _counted(row: dict) -> list[str]:
    name = row["tool"] if row["device"] == "none" else f"{row['tool']}, on {row['device']}"
    counts = (row["convolutions"] + row["linear"], row["biases"] + row["others"])
    return [
        name,
        f"{row['median_ms']:,.1f} ms",
        f"{row['times_as_long']:,.0f}",
        *(f"{count:,}" for count in counts),
    ]


def mistakes() -> str:
    """Four wrong ways to measure beside the right one."""
    return _mistakes(read("mistakes"))


def mistakes_on_gpu() -> str:
    """The same on a GPU."""
    return _mistakes(read("gpu/mistakes"))


def _mistakes(record: dict) -> str:
    rows = [
        [
            f"{row['mistake']} ({row['layer']})",
            f"{row['wrong']['median_ms']:,.2f} ms",
            f"{row['right']['median_ms']:,.2f} ms",
            f"{row['times_as_long']:.2g}",
        ]
        for row in record["mistakes"]
    ]
    return markdown(
        ("Timed wrong", "the clock says", "and right", "wrong over right"), rows, conditions(record)
    )


def explorers() -> str:
    """How fast the explorers move, beside a slider of plain ipywidgets."""
    record = read("explorer_latency")
    rows = [
        [
            name,
            *(
                f"{ms:,.0f} ms"
                for ms in (row["median_ms"], row["p95_ms"], row["plain_interact"]["median_ms"])
            ),
        ]
        for name, row in record["explorers"].items()
    ]
    note = (
        f"`{record['command']}`: {record['moves']} moves of the slider each, at a load of"
        f" {record['load_average']:g}."
    )
    head = (
        "From key press to new picture",
        "median",
        "95 % are within",
        "plain `interact`, median",
    )
    return markdown(head, rows, note)


def training() -> str:
    """What the recipes reach in how long."""
    rows, notes = [], []
    for name in RECIPES:
        record = read(f"train_{name}")
        top1, wall, seeds = record["top1"], record["wall_seconds"], len(record["seeds"])
        rows.append(
            [
                f"`{name}`",
                f"{top1['mean']:.1%} ± {top1['std']:.1%}",
                str(seeds),
                f"{wall['mean'] / 60:.1f} min",
            ]
        )
        notes.append(f"`{record['measured_by']}`")
    note = f"Mean ± sample standard deviation over the seeds; {', '.join(notes)}."
    return markdown(("recipe", "top-1 on validation images", "seeds", "a run takes"), rows, note)


def transfer() -> str:
    """What a trained base is worth on few photographs, frozen and learning."""
    frozen, more = read("finetune"), read("finetune_unfrozen")
    exit_flow = more["exit"]
    rows = [
        ["all, from random weights, for the same processor time", _in_percent(frozen["scratch"])],
        ["a classifier on the frozen base", _in_percent(frozen["linear"])],
        [
            f"then the exit flow too, {more['recipe']['epochs']} epochs",
            f"{_in_percent(exit_flow['top1'])}; {_in_points(exit_flow['gain'])} points more",
        ],
    ]
    images, seeds = frozen["images"], len(frozen["seeds"])
    note = (
        f"Mean and 95% interval of {seeds} seeds; {frozen['data']}, {images['train']:,} photographs"
        f" of {frozen['recipe']['image_size']} pixels, {images['validation']} to validate; more:"
        f" paired by seed. `{frozen['command']}` on {records.describe_machine(frozen)}; the last"
        f" row: `{more['command']}` on {records.describe_machine(more)}."
    )
    return markdown(("what learns", "top-1"), rows, note)


def _in_percent(found: dict) -> str:
    return f"{found['mean']:.1%} [{found['low']:.1%}, {found['high']:.1%}]"


def _in_points(found: dict) -> str:
    mean, low, high = (100 * found[name] for name in ("mean", "low", "high"))
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def headline() -> str:
    """The front page's three sentences of results."""
    say = headline_numbers()
    return (
        f"\nXception has {say['params']} parameters and {say['macs']} MACs for an image of 299×299,"
        f" by hand and by machine; {say['pointwise']} of the parameters are in 1×1 convolutions. A"
        f" separable convolution of 728 channels has {say['fewer']} times fewer MACs than a regular"
        f" one, and is {say['cpu']} times as fast on a CPU in float32, {say['gpu']} times on a GPU"
        " in bfloat16 (19×19 maps, forward): fewer multiplications are not always as much faster,"
        " and [notebook 8](notebooks/08_fewer_multiplications_more_time.ipynb) says why. A small"
        f" Xception learns CIFAR-10 to {say['top1']} ({say['seeds']} seeds) in {say['minutes']}"
        f" minutes on {say['cores']} cores.\n\n"
    )


def headline_ko() -> str:
    """The same in Korean."""
    say = headline_numbers()
    return (
        f"\n299×299 이미지에서 Xception의 매개변수는 {say['params']}개, MAC은 {say['macs']}개이고,"
        f" 손으로 세나 기계로 세나 같다. 매개변수의 {say['pointwise']}가 1×1 합성곱에 있다. 채널이"
        f" 728개일 때 분리 합성곱의 MAC은 일반 합성곱보다 {say['fewer']}배 적다. 빠르기는 CPU의"
        f" float32에서 {say['cpu']}배, GPU의 bfloat16에서 {say['gpu']}배다(19×19, 순방향). 곱셈이"
        " 적다고 늘 그만큼 빠르지는 않으며, 그 까닭은"
        " [노트북 8](notebooks/08_fewer_multiplications_more_time.ipynb)에 있다. 작은 Xception은"
        f" CIFAR-10을 코어 {say['cores']}개로 {say['minutes']}분 만에 {say['top1']}까지 배운다(시드"
        f" {say['seeds']}개).\n\n"
    )


def headline_numbers() -> dict[str, str]:
    """What the front page says in numbers, as it writes them."""
    layers = architectures.xception()
    whole = total(layers)
    pointwise = total(pair for pair in layers if is_pointwise(pair[0]))
    module = ModuleConfig(728, 728, 728, order="spatial_first")
    shape = Shape(728, 19, 19)
    fewer = total(architectures.regular_convolution(728, 728, shape)).macs / (
        total(architectures.module(module, shape)).macs
    )
    cifar = read("train_cifar10")
    top1 = cifar["top1"]
    return {
        "params": f"{whole.params:,}",
        "macs": f"{whole.macs:,}",
        "pointwise": f"{pointwise.params / whole.params:.1%}",
        "fewer": f"{fewer:.1f}",
        "cpu": f"{speedup('segments_latency', 'float32'):.1f}",
        "gpu": f"{speedup('gpu/segments_latency', 'bfloat16'):.1f}",
        "top1": f"{top1['mean']:.1%} ± {top1['std']:.1%}",
        "seeds": str(len(cifar["seeds"])),
        "minutes": f"{cifar['wall_seconds']['mean'] / 60:.0f}",
        "cores": str(cifar["cores"]),
    }


def is_pointwise(spec: Spec) -> bool:
    """Whether a layer is a 1x1 convolution, strided or not."""
    return isinstance(spec, ConvSpec) and spec.kernel_size == (1, 1)


def speedup(name: str, dtype: str) -> float:
    """How many times as fast a separable layer of 728 channels is on 19x19 maps, forward."""
    record = records.read_record(name)
    return records.times_as_fast(record, channels=728, side=19, dtype=dtype)


def startup() -> str:
    """Imports in a fresh Python, explorers, and the longest notebook."""
    record = read("startup")
    rows = [
        [
            f"`{row['statement']}`" if row["statement"] != "pass" else "Python alone",
            f"{row['median_ms']:,.0f} ms",
        ]
        for row in record["imports"]
    ]
    for row in record["explorers"]:
        both = row["make"]["median_ms"] + row["picture"]["median_ms"]
        rows.append([f"`{row['explorer']}()` and its picture", f"{both:,.0f} ms"])
    longest = max(record["notebooks"], key=lambda row: row["seconds"])
    slowest = f"the longest of {len(record['notebooks'])} notebooks, {longest['notebook']}"
    rows.append([slowest, f"{longest['seconds']:,.0f} s of at most {record['bound_seconds']}"])
    return markdown(("in a fresh process", "time"), rows, conditions(record))


TABLES: dict[str, Callable[[], str]] = {
    table.__name__: table
    for table in (
        headline,
        headline_ko,
        networks,
        settings,
        turns,
        candidates,
        segments,
        counting,
        mistakes,
        explorers,
        training,
        transfer,
        startup,
        networks_on_gpu,
        segments_on_gpu,
        mistakes_on_gpu,
    )
}


def filled(text: str) -> str:
    """A page's text with every table as the results say; KeyError for a marker of no table."""
    return MARKED.sub(
        lambda found: (
            found[1] + (_table(found[2]) or found[0][len(found[1]) : -len(found[3])]) + found[3]
        ),
        text,
    )


def _table(name: str) -> str | None:
    try:
        return TABLES[name]()
    except FileNotFoundError as missing:
        print(
            f"{name}: {pathlib.Path(missing.filename).name} is not there; its table stays as it is",
            file=sys.stderr,
        )
        return None


def main(arguments: Sequence[str]) -> int:
    """Write or check; the exit status."""
    status = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = filled(text)
        if "--check" not in arguments:
            page.write_text(new, encoding="utf-8")
            continue
        for old, now in zip(MARKED.finditer(text), MARKED.finditer(new), strict=True):
            if old[0] != now[0]:
                words = "is not what results/ says: python experiments/readme_tables.py"
                print(f"{page.name}'s table {old[2]} {words}")
                status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
