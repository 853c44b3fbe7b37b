"""How many requests are under way: halved when the server says too many, and raised again."""

import threading

import pytest

from vtok_eval.endpoint.pacing import AdaptiveSlots

pytest.importorskip("openai")


def test_requests_that_were_under_way_together_halve_the_places_once():
    slots = AdaptiveSlots(16)
    with slots.taken() as first, slots.taken() as second:
        slots.lower(first)
        slots.lower(second)
    assert slots.places == 8
    with slots.taken() as later:
        slots.lower(later)
    assert slots.places == 4


def test_the_places_end_at_one_and_rise_to_the_most_again():
    slots = AdaptiveSlots(4)
    for _ in range(5):
        with slots.taken() as request:
            slots.lower(request)
    assert slots.places == 1
    for _ in range(20):
        slots.note_answer()
    assert slots.places == 4


def test_a_thread_waits_while_the_places_are_fewer_than_those_taken():
    slots = AdaptiveSlots(2)
    entered = threading.Event()

    def enter():
        with slots.taken():
            entered.set()

    with slots.taken() as request:
        slots.lower(request)
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(timeout=30)
    assert entered.is_set()
