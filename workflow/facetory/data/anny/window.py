"""The window: one off-screen VTK scene whose meshes, skin, lights and camera change by image."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from facetory.data.anny import head as anatomy
from facetory.data.anny import props
from facetory.data.anny.paint import scalp, skin_texture
from facetory.data.anny.scene import direction, lights_of, rotation

TEETH = (0.88, 0.85, 0.79)
VIEW_ANGLE = 14.0
"""Degrees from the lower to the upper edge of the image."""
_LIP, _NECK = 540, 781
_HIGHLIGHT: dict[str, Any] = {"specular": 0.12, "specular_power": 12}
_WET: dict[str, Any] = {"specular": 0.4, "specular_power": 40}

Render = Callable[[np.ndarray, np.ndarray, dict[str, Any], dict[str, Any]], np.ndarray]


@lru_cache(maxsize=1)
def renderer(pixels: int) -> Render:
    """A function (vertices (n, 3), vertices at rest, person, scene) → image (pixels, pixels, 3), uint8.

    VTK draws twice as large without a display (by software where there is no GPU); the image is the mean of
    2 × 2 pixels.
    """
    os.environ.setdefault("LP_NUM_THREADS", "1")
    import pyvista as pv
    from PIL import Image

    head = anatomy.load()
    plotter: Any = pv.Plotter(off_screen=True, window_size=[2 * pixels, 2 * pixels], lighting="none")
    plotter.render_window.SetMultiSamples(0)
    skin = _mesh(head.skin_corners, len(head.corner))
    skin.active_texture_coordinates = head.uv
    parts = _parts(head)
    starts = np.cumsum([0, *(len(part["points"]) for part in parts.values())])
    faces = np.concatenate([p["faces"] + start for p, start in zip(parts.values(), starts[:-1], strict=True)])
    rest_of_it = _mesh(faces, starts[-1])
    rest_of_it.point_data["colour"] = np.zeros((starts[-1], 3), np.uint8)
    skin_actor = plotter.add_mesh(skin, color="white", smooth_shading=False, **_HIGHLIGHT)
    other_actor = plotter.add_mesh(rest_of_it, scalars="colour", rgb=True, **_WET)
    body_actor = plotter.add_mesh(props.clothes(pv), color="white", smooth_shading=True, specular=0.0)
    skin_actor.prop.interpolation = other_actor.prop.interpolation = "Phong"
    lights = [pv.Light(light_type="scene light") for _ in range(2)]
    for light in lights:
        light.positional = False
        plotter.add_light(light)
    plotter.camera.view_angle = VIEW_ANGLE
    painted: dict[str, Any] = {"person": None}

    def render(points: np.ndarray, rest: np.ndarray, who: dict[str, Any], view: dict[str, Any]) -> np.ndarray:
        person = (who["name"], who["texture"])
        if painted["person"] != person:
            texture = np.ascontiguousarray(skin_texture(head.surface, who)[::-1])
            painted.update(person=person, depth=scalp(head.reference, who["hairline"]))
            skin_actor.texture = pv.Texture(texture)
        middle = anatomy.eye_centres(head, rest)[0].mean(0)
        turn, pivot = rotation(view), middle + np.array((0, 0.10, -0.06))

        def posed(at: np.ndarray) -> np.ndarray:
            return (at - pivot) @ turn.T + pivot - middle

        combed = points + props.hair(head, points, who, painted["depth"])
        _set(skin, posed(combed)[head.corner], (anatomy.normals(head.faces, combed) @ turn.T)[head.corner])
        places = _place(head, parts, points, rest, who, view)
        moved = [at if name == "paper" else posed(at) for name, at in places.items()]
        where = np.concatenate(moved).astype(np.float32)
        _set(rest_of_it, where, anatomy.normals(faces, where))
        colours = _colours(head, parts, who, view)
        rest_of_it.point_data["colour"] = (255 * np.concatenate([colours[n] for n in parts])).astype(np.uint8)
        body_actor.prop.color = tuple(view["clothes"])
        body_actor.position = (0, 0, rest[_NECK, 2] - middle[2])
        for light, (azimuth, elevation, strength) in zip(lights, lights_of(view), strict=True):
            light.position, light.focal_point = direction(azimuth, elevation), (0, 0, 0)
            light.intensity = strength
            light.diffuse_color = tuple(np.clip((0.95 + view["warmth"], 0.95, 0.95 - view["warmth"]), 0, 1))
        for actor in (skin_actor, other_actor, body_actor):
            actor.prop.ambient, actor.prop.diffuse = 0.55 * view["ambient"], 1.0
        plotter.set_background(view["colours"][0], top=view["colours"][1])
        _aim(plotter.camera, view)
        if plotter.render_window.GetNeverRendered():
            plotter.show(auto_close=False)
            _aim(plotter.camera, view)
        plotter.render()
        image = Image.fromarray(np.array(plotter.image))
        return np.asarray(image.resize((pixels, pixels), Image.Resampling.BOX))

    return render


def _parts(head: anatomy.Head) -> dict[str, dict[str, Any]]:
    """All meshes without a skin, in the order of their points."""
    eye, teeth = props.eyeball(), props.teeth()
    return {
        "inside": {"points": head.template, "faces": head.inside},
        "left_eye": eye,
        "right_eye": eye,
        "upper_teeth": teeth,
        "lower_teeth": teeth,
        "curtain": props.curtain(),
        "glasses": props.glasses(),
        "scarf": props.scarf(),
        "paper": props.paper(),
    }


def _place(
    head: Any, parts: Any, points: np.ndarray, rest: np.ndarray, who: Any, view: Any
) -> dict[str, np.ndarray]:
    """Where the points of each part are before the head turns; absent things hide inside the head."""
    centres, radius = anatomy.eye_centres(head, rest)
    gaze = rotation({"yaw": view["gaze"][0], "pitch": view["gaze"][1], "roll": 0.0})
    left, right = (centre + radius * parts["left_eye"]["points"] @ gaze.T for centre in centres)
    mouth = points.copy()
    mouth[head.tongue] += np.array((0, 0.006, -0.004)) * (1 - min(1.0, view["tongue"]))
    shift, jaw = rest[_LIP] - head.reference[_LIP], points[anatomy.CHIN] - rest[anatomy.CHIN]
    teeth = parts["upper_teeth"]["points"]
    worn = {"curtain": who["style"] == "long"} | {
        name: view["cover"] == name for name in ("glasses", "scarf")
    }
    sheet, (across, up) = parts["paper"]["points"], view["cover_at"]
    return {
        "inside": mouth,
        "left_eye": left,
        "right_eye": right,
        "upper_teeth": teeth + shift,
        "lower_teeth": teeth * (0.93, 0.97, -1) + (0, 0.004, 2 * props.TOOTH_EDGE) + shift + jaw,
        **{
            name: (props.fitted(part, head.reference, rest) if on else props.hidden(part, rest))
            for name, on in worn.items()
            for part in [parts[name]["points"]]
        },
        "paper": sheet + np.array((0.05 * across, -0.26, 0.07 * up - 0.02))
        if view["cover"] == "paper"
        else 0 * sheet + np.array((0, 0.06, 0)),
    }


def _colours(head: Any, parts: Any, who: Any, view: Any) -> dict[str, np.ndarray]:
    def flat(name: str, colour: Any) -> np.ndarray:
        return np.tile(np.asarray(colour, float), (len(parts[name]["points"]), 1))

    iris = parts["left_eye"]["colours"](who["iris"])
    return {
        "inside": head.inside_colours,
        "left_eye": iris,
        "right_eye": iris,
        "upper_teeth": flat("upper_teeth", TEETH),
        "lower_teeth": flat("lower_teeth", TEETH),
        "curtain": np.clip(parts["curtain"]["shade"][:, None] * who["hair_colour"], 0, 1),
        "glasses": flat("glasses", (0.06, 0.06, 0.07)),
        "scarf": flat("scarf", view["cover_colour"]),
        "paper": flat("paper", view["cover_colour"]),
    }


def _aim(camera: Any, view: dict[str, Any]) -> None:
    distance = view["frame"] / 2 / np.tan(np.radians(VIEW_ANGLE / 2))
    at = np.array([view["shift"][0], 0.0, view["shift"][1] - 0.012])
    camera.position, camera.focal_point, camera.up = tuple(at - (0, distance, 0)), tuple(at), (0, 0, 1)
    camera.clipping_range = (distance - 0.5, distance + 0.7)


def _mesh(triangles: np.ndarray, count: int) -> Any:
    import pyvista as pv

    faces = np.column_stack([np.full(len(triangles), 3), triangles]).ravel()
    return pv.PolyData(np.zeros((count, 3), np.float32), faces=faces)


def _set(mesh: Any, points: np.ndarray, normals: np.ndarray) -> None:
    mesh.points = points.astype(np.float32)
    mesh.point_data["Normals"] = normals.astype(np.float32)
    mesh.point_data.active_normals_name = "Normals"
