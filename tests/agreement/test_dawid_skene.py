"""The rater model against published fits, planted truth, and what it promises about gold and smoothing."""

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest

from app.agreement.answers import Answers
from app.agreement.dawid_skene import RaterModel, fit
from app.agreement.raters import rater_report
from tests.agreement import cases
from tests.agreement.generator import big


def planted(n_items: int = 600, *, seed: int = 0) -> tuple[Answers, np.ndarray]:
    """Two-class truth, 85 % yes; nine careful raters and one who always says yes; 5 % unsure."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n_items) < 0.15).astype(int)
    rows = []
    for item in range(n_items):
        for rater in rng.choice(10, size=4, replace=False):
            value = truth[item] if rng.random() < 0.88 else 1 - truth[item]
            value = 0 if rater == 9 else 2 if rng.random() < 0.05 else value
            rows.append((f"i{item:04}", f"r{rater}", ("yes", "no", "unsure")[value]))
    return Answers.from_rows(rows, ["yes", "no", "unsure"]), truth


def crowd_of(n_items: int, *, seed: int = 0) -> tuple[Answers, np.ndarray, np.ndarray]:
    """Nine claims in ten are true; three answers an item. Of 40 raters 4 are sloppy and 4 say yes whatever they see.

    Also the truth (0 yes, 1 no), and the chance of each answer, (raters, truth, answer).
    """
    rng = np.random.default_rng(seed)
    chances = np.tile([[0.95, 0.02, 0.03], [0.13, 0.84, 0.03]], (40, 1, 1))
    chances[:4] = [[0.80, 0.15, 0.05], [0.40, 0.55, 0.05]]
    chances[4:8] = [[0.99, 0.005, 0.005], [0.97, 0.02, 0.01]]
    truth = (rng.random(n_items) < 0.1).astype(int)
    item = np.repeat(np.arange(n_items), 3)
    rater = rng.random((n_items, 40)).argsort(axis=1)[:, :3].ravel()
    reached = chances[rater, truth[item]].cumsum(axis=1)
    category = (rng.random(len(item))[:, None] > reached).sum(axis=1)
    names = (tuple(f"i{code}" for code in range(n_items)), tuple(f"r{code:02}" for code in range(40)))
    return Answers(item, rater, category, *names, ("yes", "no", "unsure")), truth, chances


def accuracy(model: RaterModel, truth: np.ndarray) -> float:
    return float((model.posterior.argmax(axis=1) == truth).mean())


@pytest.mark.parametrize("name", ["dawid_skene_1979_anaesthesia", "dawid_skene_1979_first_ratings"])
def test_the_anaesthetists_of_1979(name: str) -> None:
    case = cases.load(name)
    answers, expected = cases.answers_of(case), case["expected"]
    model = fit(answers, smoothing=0, tolerance=1e-12)
    assert model.converged
    assert model.log_likelihood[-1] == pytest.approx(
        expected["log_likelihood"]["value"], abs=expected["log_likelihood"]["tol"]
    )
    assert model.shares == pytest.approx(expected["class_priors"]["value"], abs=expected["class_priors"]["tol"])
    for code, rater in enumerate(answers.raters):
        rows = expected["confusion"]["value"][rater]
        np.testing.assert_allclose(model.confusion[code], rows, atol=expected["confusion"]["tol"])
    labels = [answers.categories[code] for code in model.posterior.argmax(axis=1)]
    assert dict(zip(answers.items, labels, strict=True)) == expected["labels"]


# How many slides, or X-rays, got each combination of answers; one letter a reader, 1 for "disease".
CARCINOMA = """0000000 34 0000100 2 0100000 6 0100001 1 0100100 4 0100101 5 1000000 2 1010101 1 1100000 2 1100001 1
    1100100 2 1100101 7 1100111 1 1101001 1 1101101 2 1101111 3 1110101 13 1110111 5 1111101 10 1111111 16"""
PLEURAL = "000 1513 001 21 010 59 011 11 100 23 101 19 110 12 111 34"


@pytest.mark.parametrize(("table", "n", "published"), [(CARCINOMA, 118, -317.2568), (PLEURAL, 1692, -891.1428)])
def test_published_maxima_of_two_classes_are_reached_and_never_lost(table: str, n: int, published: float) -> None:
    """Seven pathologists (Agresti 2002, table 13.1) and three radiologists (Rogel et al. 1998)."""
    words = table.split()
    rows = []
    for pattern, count in zip(words[::2], words[1::2], strict=True):
        for _ in range(int(count)):
            number = len(rows) // len(pattern)
            rows += [(f"x{number:04}", f"reader {place}", answer) for place, answer in enumerate(pattern)]
    answers = Answers.from_rows(rows)
    model = fit(answers, smoothing=0, tolerance=1e-13, max_iterations=20_000)
    assert len(answers.items) == n
    assert model.converged
    assert model.log_likelihood[-1] == pytest.approx(published, abs=6e-5)
    assert np.diff(model.log_likelihood).min() > -1e-8


@pytest.mark.parametrize("name", ["snow_2008_rte", "d_product"])
def test_crowds_with_gold_outside_the_repository(name: str) -> None:
    case = cases.load_shared(name)
    rows = cases.shared_rows(case["data_file"])
    gold = {row["item"]: row["gold"] for row in rows}
    answers = Answers.from_rows([(row["item"], row["annotator"], row["label"]) for row in rows], case["categories"])
    model, expected = fit(answers, smoothing=0, tolerance=1e-10), case["expected"]
    for figure, found in (("log_likelihood", model.log_likelihood[-1]), ("class_priors", model.shares)):
        assert found == pytest.approx(expected[figure]["value"], abs=expected[figure]["tol"]), figure
    truth = np.array([answers.categories.index(gold[item]) for item in answers.items])
    of_gold = expected["accuracy_vs_gold"]
    assert accuracy(model, truth) == pytest.approx(of_gold["dawid_skene"], abs=of_gold["tol"])


@pytest.mark.parametrize("name", ["big_1e6_3cats", "big_countries_24k"])
def test_generated_crowds_give_back_their_truth(name: str) -> None:
    case = cases.load(name)
    size, expected = case["generator"], case["expected"]["dawid_skene"]
    item, rater, label, truth = big(**size)
    names = [tuple(str(code) for code in range(size[key])) for key in ("n_items", "n_ann", "q")]
    model = fit(Answers(item, rater, label, *names), smoothing=0)
    assert model.converged
    assert model.shares == pytest.approx(expected["class_priors"], abs=expected["class_priors_tol"])
    assert accuracy(model, truth) == pytest.approx(expected["label_accuracy"], abs=expected["label_accuracy_tol"])
    assert accuracy(model, truth) > expected["majority_accuracy"] - 0.001


def test_without_smoothing_the_log_likelihood_never_falls() -> None:
    answers, _ = planted(200)
    steps = np.diff(fit(answers, smoothing=0, tolerance=1e-12).log_likelihood)
    assert len(steps) > 3
    assert steps.min() > -1e-8


def test_the_order_of_rows_changes_no_bit() -> None:
    rows = [tuple(row) for row in cases.load("dawid_skene_1979_anaesthesia")["judgments"]]
    shuffled = rows.copy()
    random.Random(3).shuffle(shuffled)
    one, other = (fit(Answers.from_rows(order)) for order in (rows, shuffled))
    assert one.log_likelihood == other.log_likelihood
    assert np.array_equal(one.posterior, other.posterior)


def test_unsure_is_evidence_and_never_true() -> None:
    answers, truth = planted()
    model = fit(answers, classes=(0, 1))
    assert model.posterior.shape == (600, 2)
    assert model.confusion.shape == (10, 2, 3)
    np.testing.assert_allclose(model.confusion.sum(axis=2), 1)
    votes = np.stack([np.bincount(answers.item[answers.category == code], minlength=600) for code in (0, 1)], axis=1)
    assert accuracy(model, truth) > (votes.argmax(axis=1) == truth).mean()
    assert accuracy(model, truth) > 0.95


def test_one_who_always_says_yes_is_found_out_by_the_row_for_no() -> None:
    answers, _ = planted()
    model = fit(answers, classes=(0, 1))
    yes_clicker = answers.raters.index("r9")
    assert model.accuracy()[yes_clicker] > 0.8
    assert model.confusion[yes_clicker, 1, 1] < 0.2
    careful = np.delete(model.confusion[:, 1, 1], yes_clicker)
    assert careful.min() > 0.7


def test_planted_raters_are_recovered_where_nine_claims_in_ten_are_true() -> None:
    """About 1,000 answers a rater, 100 of them on wrong claims: a share is known to 0.05 or so, three errors 0.15."""
    answers, truth, chances = crowd_of(12_000)
    model = fit(answers, classes=(0, 1))
    assert model.shares[1] == pytest.approx(truth.mean(), abs=0.01)
    np.testing.assert_allclose(model.confusion[:, 0], chances[:, 0], atol=0.04)
    np.testing.assert_allclose(model.confusion[:, 1], chances[:, 1], atol=0.2)
    assert np.abs(model.confusion[:, 1] - chances[:, 1]).mean() < 0.05
    assert model.confusion[4:8, 1, 1].max() < 0.25 < model.confusion[8:, 1, 1].min()


def test_planted_truth_is_found_better_than_by_majority_and_promises_are_kept() -> None:
    answers, truth, _ = crowd_of(12_000)
    model = fit(answers, classes=(0, 1))
    votes = np.stack([np.bincount(answers.item[answers.category == code], minlength=12_000) for code in (0, 1)], 1)
    majority, ours = votes[:, 1] > votes[:, 0], model.posterior[:, 1] > 0.5
    wrong = truth == 1
    assert (ours == wrong).mean() > (majority == wrong).mean() + 0.003
    assert (ours & wrong).sum() > (majority & wrong).sum() + 50
    promised = np.minimum(model.posterior[:, 0], model.posterior[:, 1]).mean()
    # Three standard errors of a share of some 2 % among 12,000.
    assert promised == pytest.approx((ours != wrong).mean(), abs=0.004)


def test_smoothing_draws_a_rater_of_few_judgments_to_everyones_row() -> None:
    answers, _ = planted()
    rows = [
        (answers.items[i], answers.raters[r], answers.categories[c])
        for i, r, c in zip(answers.item, answers.rater, answers.category, strict=True)
    ]
    answers = Answers.from_rows([*rows, ("i0000", "new", "no")], answers.categories)
    newcomer = answers.raters.index("new")
    plain, drawn = (fit(answers, classes=(0, 1), smoothing=weight) for weight in (0, 6))
    everyone = np.delete(drawn.confusion, newcomer, axis=0).mean(axis=0)
    distance = [np.abs(model.confusion[newcomer] - everyone).max() for model in (plain, drawn)]
    assert distance[0] > 0.8
    assert distance[1] < 0.25


def test_what_nobody_did_in_a_young_campaign_is_unlikely_and_not_impossible() -> None:
    """Six items that two find right, one they find wrong: nobody has passed a wrong one yet, which proves little."""
    rows = [(f"i{item}", rater, "no" if item == 6 else "yes") for item in range(7) for rater in ("ann", "bob")]
    answers = Answers.from_rows(rows, ["yes", "no", "unsure"])
    model, plain = (fit(answers, classes=(0, 1), smoothing=weight) for weight in (6, 0))
    # Of two answers on it, one by each, none was yes: to everyone's half of one is added for each of three kinds.
    assert model.confusion[0, 1, 0] == pytest.approx((0 + 6 * 0.5 / 3.5) / (1 + 6), abs=0.02)
    assert plain.confusion[0, 1, 0] == 0
    assert 0.001 < model.posterior[0, 1] < 0.02


def test_gold_is_clamped_teaches_and_stays_out_of_the_class_shares() -> None:
    answers, truth = planted()
    gold = np.full(600, -1)
    gold[:50] = 1 - truth[:50]
    model = fit(answers, classes=(0, 1), gold=gold)
    assert (model.posterior[:50].argmax(axis=1) == gold[:50]).all()
    assert set(model.posterior[:50].ravel()) == {0.0, 1.0}
    np.testing.assert_allclose(model.shares, model.posterior[50:].mean(axis=0), atol=1e-3)
    assert (model.accuracy() < fit(answers, classes=(0, 1)).accuracy()).all()


def test_with_gold_the_log_likelihood_never_falls_either() -> None:
    answers, truth = planted(200)
    gold = np.where(np.arange(200) < 30, truth, -1)
    steps = np.diff(fit(answers, gold=gold, smoothing=0, tolerance=1e-12, classes=(0, 1)).log_likelihood)
    assert steps.min() > -1e-8


def test_items_picked_by_hand_teach_and_stay_out_of_the_class_shares() -> None:
    answers, truth = planted()
    picked = np.zeros(600, dtype=bool)
    picked[np.flatnonzero(truth == 1)[:60]] = True
    model = fit(answers, classes=(0, 1), picked=picked)
    rest = fit(answers.where(~picked[answers.item]), classes=(0, 1))
    assert model.shares == pytest.approx(rest.shares, abs=0.01)
    # Beforehand both classes are as likely for them: the odds are better by those of the shares than for any other.
    other = int(np.flatnonzero(~picked)[0])
    twin = answers.where(answers.item == other)
    copied = Answers(
        np.concatenate([answers.item, np.full(len(twin.item), 600)]),
        np.concatenate([answers.rater, twin.rater]),
        np.concatenate([answers.category, twin.category]),
        (*answers.items, "twin"),
        answers.raters,
        answers.categories,
    )
    model = fit(copied, classes=(0, 1), picked=np.append(picked, True))
    odds = model.posterior[:, 1] / model.posterior[:, 0]
    assert odds[600] / odds[other] == pytest.approx(model.shares[0] / model.shares[1], rel=1e-6)
    steps = np.diff(fit(answers, picked=picked, smoothing=0, tolerance=1e-12, classes=(0, 1)).log_likelihood)
    assert steps.min() > -1e-8


def test_a_class_nobody_names_does_no_harm() -> None:
    rows = [(f"i{item}", rater, "yes") for item in range(5) for rater in ("ann", "bob")]
    model = fit(Answers.from_rows(rows, ["yes", "no", "unsure"]), classes=(0, 1), smoothing=0)
    assert model.converged
    assert model.shares == pytest.approx([1, 0])
    assert np.isfinite(model.log_likelihood).all()


def test_items_without_a_judgment_move_nothing() -> None:
    answers, _ = planted(100)
    wider = dataclasses.replace(answers, items=(*answers.items, *(f"unseen {code}" for code in range(900))))
    one, other = fit(answers, smoothing=0), fit(wider, smoothing=0)
    assert other.log_likelihood[-1] == pytest.approx(one.log_likelihood[-1])
    np.testing.assert_allclose(other.shares, one.shares)
    np.testing.assert_allclose(other.posterior[100:], np.tile(one.shares, (900, 1)), atol=1e-6)


def test_the_report_gives_each_rater_and_item() -> None:
    answers, truth = planted()
    report = rater_report(answers)
    assert report["rater_model"]["converged"]
    assert set(report["rater_model"]["class_shares"]) == {"yes", "no"}
    assert [rater["rater"] for rater in report["raters"]] == [f"r{code}" for code in range(10)]
    assert sum(rater["n"] for rater in report["raters"]) == len(answers.item)
    assert set(report["raters"][0]["confusion"]["no"]) == {"yes", "no", "unsure"}
    assert len(report["items"]) == 600
    assert report["items"][0]["posterior"]["no"] == pytest.approx(truth[0], abs=0.2)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("i1", "ann", "yes"), ("i2", "bob", "no")], "no_overlap"),
        ([("i1", "ann", "yes"), ("i1", "bob", "yes")], "no_variation"),
        ([], "no_overlap"),
    ],
)
def test_a_model_that_cannot_be_fitted_says_why(rows: list[tuple[str, str, str]], reason: str) -> None:
    report = rater_report(Answers.from_rows(rows, ["yes", "no", "unsure"]))
    assert report["rater_model"]["reason"] == reason
    assert all(rater["accuracy"] is None and rater["reason"] == reason for rater in report["raters"])
    assert all(item["posterior"] is None for item in report["items"])


def test_a_rater_who_shares_no_item_has_no_accuracy() -> None:
    answers, _ = planted(50)
    rows = [
        (answers.items[i], answers.raters[r], answers.categories[c])
        for i, r, c in zip(answers.item, answers.rater, answers.category, strict=True)
    ]
    report = rater_report(Answers.from_rows([*rows, ("alone", "zoe", "no")], answers.categories))
    zoe = report["raters"][-1]
    assert (zoe["rater"], zoe["accuracy"], zoe["reason"], zoe["pairs"]) == ("zoe", None, "no_overlap", 0)


def test_a_crowd_of_three_questions_approves_few_wrong_images() -> None:
    """Approving at 0.95 on every question after three visits, against fixed-3 majority (8.2 % wrong)."""
    case = cases.load_shared("crowd_3q")
    accept = case["accept"]["batch_first_3_visits"]
    truth = {row["image"]: row for row in cases.shared_rows(case["files"]["truth"])}
    visits = [row for row in cases.shared_rows(case["files"]["judgments"]) if int(row["visit"]) <= 3]
    surely: Counter[str] = Counter()
    for question in ("food", "country", "background"):
        rows = [(row["image"], row["annotator"], _verdict(row, truth[row["image"]], question)) for row in visits]
        answers = Answers.from_rows(rows, ["yes", "no", "unsure"])
        gold = np.array(
            [
                -1 if truth[image]["is_gold"] == "0" else int(_verdict(truth[image], truth[image], question) != "yes")
                for image in answers.items
            ]
        )
        model = fit(answers, classes=(0, 1), gold=gold)
        surely.update(answers.items[code] for code in np.flatnonzero(model.posterior[:, 0] >= accept["tau"]))
    images = {image for image, row in truth.items() if row["is_gold"] == "0"}
    approved = {image for image in images if surely[image] == 3}
    wrong = {
        image
        for image in approved
        if any(_verdict(truth[image], truth[image], q) != "yes" for q in ("food", "country", "background"))
    }
    assert len(approved) / len(images) >= accept["approved_min"]
    assert len(wrong) / len(approved) <= accept["wrong_in_approved_max"]


def _verdict(row: dict[str, str], truth: dict[str, str], question: str) -> str:
    """An answer as yes, no or unsure: for the country, whether the one chosen is the one claimed."""
    answer = row[question]
    if answer == "unsure":
        return "unsure"
    if question == "country":
        return "yes" if answer == truth["claimed_country"] else "no"
    return "yes" if answer in ("yes", "not_applicable") else "no"
