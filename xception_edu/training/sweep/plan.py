"""What a sweep is: a question, what would answer it, and the runs. No torch.

A plan is a JSON file, written before its runs begin, and kept with their results. It says which
networks are compared (its points), over which seeds, at which size, and how each point gets its
learning rate. Whatever it does not say of the training is what `recipes.CIFAR10` says.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from xception_edu import architectures, budgets, checks
from xception_edu.benchmark import records
from xception_edu.checks import fields
from xception_edu.checks.fields import Bounds
from xception_edu.costs import total
from xception_edu.recipes import CIFAR10
from xception_edu.recipes.recipe import Recipe

Budget = Literal["params", "macs", "step_time", "none"]
Claim = Literal["some above", "all below", "all alike"]
VERSION = 1  # of what a run does with its recipe: another number, and old runs do not count


@dataclass(frozen=True, kw_only=True)
class Point:
    """One of the networks that a plan compares.

    `model` and `recipe` are fields that differ from the plan's. The learning rate is chosen for
    the point, or, where `rate_of` names another point, for that one.
    """

    name: str
    model: Mapping[str, Any]
    recipe: Mapping[str, Any]
    rate_of: str

    @classmethod
    def read(cls, entry: object) -> Self:
        """A point as plans write it: a number of segments, "channels", or an object with a name."""
        if not isinstance(entry, Mapping):
            return cls(name=str(entry), model={"segments": entry}, recipe={}, rate_of=str(entry))
        for key in entry:
            known = ("name", "model", "recipe", "rate_of")
            if key not in known:
                raise ValueError(f"points has {key!r}, but must have only {', '.join(known)}")
        name = checks.text("name of a point", entry.get("name"))
        model, recipe = entry.get("model", {}), entry.get("recipe", {})
        return cls(name=name, model=model, recipe=recipe, rate_of=entry.get("rate_of", name))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep before its runs. Raises ValueError, with what would be right, if a field is wrong."""

    name: Annotated[str, "of its results: DIR/NAME.jsonl"]
    question: Annotated[str, "what the runs shall answer"]
    test: Annotated[str, "how their numbers are compared"]
    yes: Annotated[str, "what counts as yes"]
    no: Annotated[str, "what counts as no"]
    undecided: Annotated[str, "what counts as not decided"]
    data: Annotated[str, "what the images are called in the results"]
    points: Annotated[tuple[Point, ...], "the networks that are compared"]
    reference: Annotated[str, "the point whose size all have"]
    ends: Annotated[tuple[str, ...], "the points that every other is compared with"]
    claim: Annotated[
        Claim, "yes means: some points are above all ends, all are below, or none differs from any"
    ] = "some above"
    budget: Annotated[Budget, "what is matched, by the width of each network"] = "params"
    recipe: Annotated[Mapping[str, Any], "fields that differ from those of the recipe cifar10"]
    seeds: Annotated[tuple[int, ...], "of the runs"] = (0, 1, 2, 3, 4)
    rates: Annotated[tuple[float, ...], "learning rates that are tried for each point"]
    rate_seed: Annotated[int, "of the short runs that choose the rate", Bounds(at_least=0)] = 1000
    rate_epochs: Annotated[int, "epochs of those short runs"] = 3
    rate_recipe: Annotated[
        Mapping[str, Any], "fields in which the short runs differ, such as another batch_size"
    ] = field(default_factory=dict)
    extensions: Annotated[
        int,
        "how often another rate, half or twice as large, is tried where the best is the last",
        Bounds(at_least=0),
    ] = 1
    validation_images: Annotated[
        int, "of the training set, for the rates and the curves; the test set is for the end"
    ] = 5000
    smallest_effect: Annotated[
        float, "the smallest difference in accuracy that would matter", Bounds(above=0, below=1)
    ] = 0.01

    def __post_init__(self) -> None:
        fields.check(self)
        for name in ("points", "ends", "seeds"):
            checks.instance(name, getattr(self, name), tuple, "a tuple")
        for point in self.points:
            checks.instance("an entry of points", point, Point, "a point")
        names = [point.name for point in self.points]
        checks.one_of("reference", self.reference, names)
        for end in self.ends:
            checks.one_of("an entry of ends", end, names)
        for point in self.points:
            checks.one_of(f"rate_of of points, at {point.name!r},", point.rate_of, names)
        if len(set(names)) < len(names):
            raise ValueError(f"points is {names}, but must have each name once")
        for seed in self.seeds:
            if seed == self.rate_seed:
                raise ValueError(f"seeds has {seed}, but must not have rate_seed's: it chose rates")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The plan that a JSON object says."""
        known = list(cls.__dataclass_fields__)
        for name in values:
            if name not in known:
                raise ValueError(f"{name} is no field of a plan{checks.nearest(name, known)}")
        made = dict(values)
        for name in ("seeds", "rates", "ends"):
            if name in made:
                made[name] = tuple(made[name])
        made["points"] = tuple(Point.read(entry) for entry in values.get("points", ()))
        try:
            return cls(**made)
        except TypeError as error:  # a field without a default is missing
            raise ValueError(f"a plan lacks something: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON can hold it; `from_dict` reads it back."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def point(self, name: str) -> Point:
        """The point of that name."""
        return next(point for point in self.points if point.name == name)

    @property
    def base(self) -> Recipe:
        """The recipe of all points, before what differs between them."""
        return changed(replace(CIFAR10, name="sweep"), self.recipe)

    @functools.cached_property
    def size(self) -> dict[str, int]:
        """Parameters and MACs of the point that all others match."""
        recipe = varied(self, self.point(self.reference))
        cost = total(architectures.xception(recipe.model, recipe.image_size))
        return {"params": cost.params, "macs": cost.macs}


def read_plan(path: str | Path) -> Plan:
    """The plan in a file, or by its name that of a sweep whose record is here.

    ValueError where there is none, or it says something that is wrong.
    """
    path = checks.path("plan", path, "a file, or the name of a sweep")
    if records.are_there(f"sweep_{path}"):
        return Plan.from_dict(records.read_record(f"sweep_{path}")["plan"])
    if not path.is_file():
        right = "a file, a plan as JSON, or the name of a sweep whose record is here"
        raise checks.wrong("plan", str(path), right)
    try:
        return Plan.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(checks.line(f"plan {path}: {error}")) from None


def with_points(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan, and as further points the numbers of segments among the names that it lacks."""
    checks.instance("plan", plan, Plan, "a Plan")
    names = checks.sequence("names", names, "a list of names of points")
    names = [checks.text(f"names[{i}]", name) for i, name in enumerate(names)]
    have = [point.name for point in plan.points]
    new = tuple(Point.read(_segments(name)) for name in names if name not in have)
    return replace(plan, points=plan.points + new)


def _segments(name: str) -> int:
    if not name.isdecimal():
        raise ValueError(f"points has {name!r}, but must have the plan's, or numbers of segments")
    return int(name)


def merged(old: Plan, new: Plan) -> Plan:
    """Both plans' points and seeds; ValueError where they differ in anything else."""
    points = {point.name: point for point in (*new.points, *old.points)}
    seeds = tuple(dict.fromkeys((*old.seeds, *new.seeds)))
    both = replace(old, points=tuple(points.values()), seeds=seeds)
    if (again := replace(new, points=both.points, seeds=seeds)) != both:
        ours, theirs = both.to_dict(), again.to_dict()
        names = [name for name in ours if ours[name] != theirs[name]]
        raise ValueError(
            f"plan {new.name} differs in {', '.join(names)} from the one that its results began"
            " with, but must be the same: give it another name"
        )
    for point in new.points:
        if points[point.name] != point:
            raise ValueError(
                f"point {point.name!r} is another one than in the results, but must be the same:"
                " give it another name"
            )
    return both


# ---- from a point to a recipe --------------------------------------------------------------------


def changed(recipe: Recipe, fields_: Mapping[str, Any]) -> Recipe:
    """A recipe with other fields; `model` in them holds the fields of the network that differ."""
    values = recipe.to_dict()
    model = values["model"] | fields_.get("model", {})
    return Recipe.from_dict(values | dict(fields_) | {"model": model})


def varied(plan: Plan, point: Point) -> Recipe:
    """The plan's recipe with what the point differs in, at the width that the plan's recipe has."""
    return changed(plan.base, {**point.recipe, "model": point.model})


@functools.lru_cache(maxsize=256)
def _matched(recipe: Recipe, budget: str, count: int) -> Recipe:
    size = {budget: count}
    model = budgets.width_for(
        recipe.model,
        params=size.get("params"),
        macs=size.get("macs"),
        input_size=recipe.image_size,
    )
    return replace(recipe, model=model)


def recipe_of(plan: Plan, point: Point, widths: Mapping[str, float]) -> Recipe:
    """The point's recipe, its network as wide as the plan's budget says.

    `widths`, by the points' names, are those that were found by measuring, for "step_time".
    """
    checks.instance("plan", plan, Plan, "a Plan")
    checks.instance("point", point, Point, "a point of the plan")
    checks.instance("widths", widths, Mapping, "a dict of widths by the points' names")
    recipe = varied(plan, point)
    if plan.budget == "none" or point.name == plan.reference:
        return recipe
    if plan.budget == "step_time":
        if point.name not in widths:
            raise checks.wrong("widths", widths, f"a dict that has the point {point.name!r}")
        return replace(recipe, model=replace(recipe.model, width=widths[point.name]))
    try:
        return _matched(recipe, plan.budget, plan.size[plan.budget])
    except ValueError as error:
        raise ValueError(f"point {point.name!r} has no width that fits: {error}") from None


# ---- jobs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a sweep: what is trained, and what it is for ("rate" or "result")."""

    plan: str
    point: str
    purpose: str
    recipe: Recipe
    data: str
    validation_images: int

    @property
    def key(self) -> str:
        """Names what the run computes: two plans that want the same share it."""
        facts = {
            "version": VERSION,
            "recipe": not_default(self.recipe),
            "data": self.data,
            "validation_images": self.validation_images,
            "test": self.purpose == "result",
        }
        return hashlib.blake2b(
            json.dumps(facts, sort_keys=True).encode(), digest_size=8
        ).hexdigest()

    @property
    def steps(self) -> int:
        """Steps of the run."""
        return self.recipe.epochs * (self.recipe.steps_per_epoch or 0)


def not_default(config: Any) -> dict[str, Any]:
    """The fields of a recipe, and of its network, that are not as they are by default.

    So that a field which is added later, with a default that changes nothing, does not make old
    runs unknown.
    """
    values = {f.name: getattr(config, f.name) for f in dataclass_fields(config)}
    defaults = {f.name: f.default for f in dataclass_fields(config)}
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    if "model" in changed:
        changed["model"] = not_default(changed["model"])
    return changed


def jobs(
    plan: Plan, lines: Mapping[str, Mapping[str, Any]], widths: Mapping[str, float]
) -> list[Job]:
    """Every run that is known to be wanted, in the order in which they shall begin.

    `lines` are the results so far, by the keys of their jobs: they decide the learning rates.
    First come the short runs that choose those, then seed by seed all points, so that whatever is
    there is balanced.
    """
    tried: list[Job] = []
    rates: dict[str, float | None] = {}
    for name in dict.fromkeys(point.rate_of for point in plan.points):
        short, rates[name] = rate_jobs(plan, plan.point(name), lines, widths)
        tried += short
    results = []
    for seed in plan.seeds:
        for point in plan.points:
            rate = rates[point.rate_of]
            if rate is not None:
                recipe = recipe_of(plan, point, widths)
                recipe = replace(recipe, seed=seed, learning_rate=rate)
                results.append(_job(plan, point, "result", recipe))
    return tried + results


def rate_jobs(
    plan: Plan, point: Point, lines: Mapping[str, Mapping[str, Any]], widths: Mapping[str, float]
) -> tuple[list[Job], float | None]:
    """The short runs of a point, and the learning rate that they chose, or None so far.

    The rate with the best validation accuracy wins. Where it is the smallest or the largest, one
    half or twice as large is tried too, at most `extensions` times.
    """
    rates = sorted(plan.rates)
    for extension in range(plan.extensions + 1):
        short = [_rate_job(plan, point, rate, widths) for rate in rates]
        if not all(job.key in lines for job in short):
            return short, None
        best = max(rates, key=lambda rate: _score(lines[short[rates.index(rate)].key]))
        if best not in (rates[0], rates[-1]) or extension == plan.extensions:
            return short, best
        rates = sorted([*rates, best / 2 if best == rates[0] else best * 2])
    raise AssertionError("the last extension returns")


def _score(line: Mapping[str, Any]) -> float:
    """Validation accuracy of a short run; one that diverged is worse than any."""
    top1 = line["validation_top1"]
    return -1.0 if top1 is None else float(top1)


def _rate_job(plan: Plan, point: Point, rate: float, widths: Mapping[str, float]) -> Job:
    recipe = changed(recipe_of(plan, point, widths), plan.rate_recipe)
    recipe = replace(
        recipe,
        seed=plan.rate_seed,
        epochs=plan.rate_epochs,
        evaluate_every=plan.rate_epochs,
        learning_rate=rate,
    )
    return _job(plan, point, "rate", recipe)


def _job(plan: Plan, point: Point, purpose: str, recipe: Recipe) -> Job:
    return Job(
        plan=plan.name,
        point=point.name,
        purpose=purpose,
        recipe=recipe,
        data=plan.data,
        validation_images=plan.validation_images,
    )
