"""Whether the nodes' clocks show one time, as far as cards can tell."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median_low

from preflight.checks.registry import ERROR, Judgement, failed, passed, undetermined
from preflight.facts.model.known import Unknown
from preflight.fleet.card import Deck, Filed
from preflight.fleet.compare.words import labels_of, named
from preflight.fleet.deck import seconds

# Kubernetes checks the times of service account tokens with this leeway:
# https://pkg.go.dev/gopkg.in/go-jose/go-jose.v2/jwt#DefaultLeeway
LEEWAY_S = 60.0


def agree(deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each node whose clock is off, one for those that do not tell.

    What tells: the time service's own word for its distance, and a card that was made after its
    file was written. A card made before its file was written may only have been fetched late.
    """
    if len(deck.cards) < 2:
        return
    off: list[Filed] = []
    open_question: list[Filed] = []
    delays = [_delay(item) for item in deck.cards]
    told = [delay for delay in delays if delay is not None]
    usual = median_low(told) if told else None
    for item, delay in zip(deck.cards, delays, strict=True):
        clock = item.card.clock
        offset = None if isinstance(clock, Unknown) else clock.offset_ms
        if delay is not None and delay < -LEEWAY_S:
            off.append(item)
            yield _off(item, f"made its card {-delay:.0f} s after the file with it was written")
        elif offset is not None and abs(offset) > LEEWAY_S * 1000:
            off.append(item)
            yield _off(item, f"says that its clock is {abs(offset) / 1000:.0f} s off")
        elif not isinstance(clock, Unknown) and clock.synchronised:
            continue
        elif usual is None or delay is None or abs(delay - usual) > LEEWAY_S:
            open_question.append(item)
    if open_question:
        labels = labels_of(open_question)
        yield undetermined(
            f"the clock of {named(labels)} follows no time service, and the card does not tell "
            "what it shows: it may be off, or the card was fetched at another time",
            subject="unknown",
            remedy="gather all cards in one go, or measure with: nodeprep probe",
            nodes=labels,
        )
    elif not off:
        yield passed(f"no clock is seen to be {LEEWAY_S:.0f} s off")


def _delay(item: Filed) -> float | None:
    """Seconds from the making of the card, by the node's clock, to the writing of its file."""
    made = seconds(item.card.collected)
    return None if made is None or item.written is None else item.written - made


def _off(item: Filed, said: str) -> Judgement:
    return failed(
        f"{item.label} {said}: its clock is off",
        subject=item.label,
        observed=item.card.collected,
        expected=f"within {LEEWAY_S:.0f} s of the others",
        remedy="let a time service set it: chronyc makestep, or timedatectl set-ntp true",
        severity=ERROR,
        nodes=(item.label,),
    )
