import numpy as np

from getmore_assets.transport.state import State


def test_it_survives_a_file_and_goes_on_the_same(tmp_path):
    one = State(np.arange(3.0))
    for k, error in enumerate((0.4, 0.1, 0.05)):
        one.after_pass(100 * k, 0.1, error)
        one.g = one.anderson.next(one.g, np.full(3, error), error, np.ones(3))
    one.save(tmp_path / "state.npz")
    again = State.load(tmp_path / "state.npz")
    for state in (one, again):
        state.after_pass(300, 0.1, 0.02)
        state.g = state.anderson.next(state.g, np.full(3, 0.02), 0.02, np.ones(3))
    np.testing.assert_array_equal(one.g, again.g)
    assert one.history == again.history
    assert (one.rate, one.expected, one.entry, one.passes) == (again.rate, again.expected, again.entry, again.passes)


def test_what_the_next_pass_should_show():
    state = State(np.zeros(2))
    state.after_pass(10, 0.1, 0.4)
    state.after_pass(10, 0.1, 0.1)
    assert (state.entry, state.rate, state.expected) == (0.4, 0.25, 0.025)
    state.enter(1, 0.2)
    assert (state.passes, state.expected, state.rate) == (0, 0.2, 0.25)
