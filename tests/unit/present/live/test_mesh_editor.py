"""The points of a mesh are moved, and never fold the picture."""

import numpy as np

from livedream.present.live.mesh_editor import MeshEditor
from livedream.present.live.placement import Placement


class TestDragging:
    window = (400, 300)

    def test_drag_and_release(self) -> None:
        editor = MeshEditor(Placement(fit="stretch"), (160, 90))
        assert editor.grab(395, 4, self.window)
        editor.drag(350, 40, self.window)
        editor.release()
        editor.drag(10, 290, self.window)
        assert editor.chosen == (0, 1)
        assert editor.placement.mesh == (((0, 0), (350 / 400, 40 / 300)), ((0, 1), (1, 1)))

    def test_nothing_is_grabbed_in_the_middle(self) -> None:
        editor = MeshEditor(Placement(), (160, 90))
        assert not editor.grab(200, 150, self.window)
        editor.drag(0, 0, self.window)
        assert editor.placement.mesh is None

    def test_keys_move_the_chosen_corner(self) -> None:
        editor = MeshEditor(Placement(fit="stretch"), (160, 90))
        editor.next()
        editor.nudge(-10, 3, self.window)
        np.testing.assert_allclose(editor.points(self.window)[0, 1], (390, 3))
        editor.lay(Placement())
        assert editor.placement.mesh is None

    def test_the_picture_is_never_folded(self) -> None:
        editor = MeshEditor(Placement(fit="stretch"), (160, 90))
        assert editor.grab(0, 0, self.window)
        editor.drag(390, 290, self.window)
        assert editor.placement.mesh is None
        for x, y in np.random.default_rng(0).uniform(-300, 700, (200, 2)):
            editor.drag(x, y, self.window)
            Placement(mesh=editor.placement.mesh)  # raises when it is folded

    def test_more_points_leave_the_picture_where_it_is(self) -> None:
        editor = MeshEditor(Placement(fit="stretch"), (160, 90))
        editor.nudge(30, 20, self.window)
        corners = editor.placement
        for side in (3, 5, 9):
            editor.resize(1, self.window)
            assert editor.side == side
        editor.resize(1, self.window)
        assert editor.side == 9
        middle = editor.points(self.window)[4, 4]
        for _ in range(3):
            editor.resize(-1, self.window)
        editor.resize(-1, self.window)
        np.testing.assert_allclose(editor.placement.mesh, corners.mesh, atol=1e-9)
        editor.resize(1, self.window)
        np.testing.assert_allclose(editor.points(self.window)[1, 1], middle, atol=1e-9)

    def test_the_chosen_point_stays_chosen(self) -> None:
        editor = MeshEditor(Placement(fit="stretch"), (160, 90))
        editor.next(2)
        assert editor.name() == "bottom right"
        editor.resize(1, self.window)
        assert (editor.chosen, editor.name()) == ((2, 2), "row 3, column 3 of 3")
        editor.next()
        assert editor.chosen == (0, 0)
        editor.next(-1)
        editor.lay(Placement())
        assert editor.chosen == (1, 1)

    def test_points_of_a_large_mesh_never_fold_it(self) -> None:
        editor = MeshEditor(Placement(fit="stretch"), (160, 90))
        for _ in range(2):
            editor.resize(1, self.window)
        random, moved = np.random.default_rng(0), set()
        for _ in range(100):
            editor.next(int(random.integers(25)))
            before = editor.placement
            editor.nudge(*random.uniform(-60, 60, 2), self.window)
            moved.add(editor.placement is not before)
            Placement(mesh=editor.placement.mesh)  # raises when it is folded
        assert moved == {True, False}
