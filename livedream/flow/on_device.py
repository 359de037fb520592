"""The motion between two pictures where they lie on a device: `motion.compare`, by torch alone.

The same steps with the same figures as in `motion`, `camera_motion` and `occlusion`, which say
why. What is a branch there is a choice between tensors here: the operations depend on the size
alone, so that they may be captured in a CUDA graph, and the host waits for nothing. Grays are
(h, w) float32 in whole 8-bit steps, and are rounded wherever OpenCV's are.
"""

from functools import cache
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.frame import DeviceMotion
from livedream.flow import DeviceFlow, luma
from livedream.flow import camera_motion as camera
from livedream.flow import motion as spec
from livedream.flow import occlusion as seen
from livedream.flow.inverse_search import positions, unit

# OpenCV's Gaussian of a float picture reaches four standard deviations far.
_REACH_PX: Final = round(4 * seen.SOFTENING_PX)
_SPREAD: Final = 25 * (20 * 255) ** -2  # cornerMinEigenVal's scale, for the mean of 5 x 5 px


def compare(flow: DeviceFlow, pictures: Tensor) -> DeviceMotion:
    """The motion from one picture to the next, at half their size.

    pictures: (2, 3, h, w) float32 RGB in [0, 1] on the flow's device: current, previous.
    """
    there, back = flow.both(pictures).unbind(0)
    now, before = luma(pictures).unbind(0)
    whole = F.interpolate(there[None], now.shape, mode="bilinear", align_corners=False)[0]
    remapped = _remapped(before, whole)
    cut = _is_cut(now, remapped)
    gain, offset = _change_of_light(now, remapped)
    before, remapped = (
        (picture * gain + offset).round_().clamp_(0.0, 255.0) for picture in (before, remapped)
    )
    steady, trust, error = _blended(there, now, before, remapped)
    visibility = _visibility(there, back, steady, trust, error)
    return DeviceMotion(steady, visibility * ~cut, cut)


def _is_cut(now: Tensor, remapped: Tensor) -> Tensor:
    """() bool; see `motion.is_cut`."""
    (local, power), (other, other_power) = _structure(now), _structure(remapped)
    jump = (now.mean() - remapped.mean()).abs() > spec.JUMP_STEPS
    more = torch.maximum(power, other_power)
    appears = more > (3 * spec.FLAT_STEPS) ** 2
    unlike = (local * other).mean() < spec.CUT_CORRELATION * (power * other_power).sqrt()
    one_is_flat = (power == 0.0) | (other_power == 0.0)
    return torch.where(more == 0.0, jump, torch.where(one_is_flat, appears, unlike))


def _structure(picture: Tensor) -> tuple[Tensor, Tensor]:
    quarter = _quartered(picture)
    # Variances, because `_quartered` rounds means of four upwards.
    grain = picture.var(correction=0) - quarter.var(correction=0)
    local = quarter - _mean(quarter, spec.SURROUNDINGS_PX)
    power = (local * local).mean()
    least = (spec.NOISE_SHARE * grain).clamp_min(spec.FLAT_STEPS**2)
    return local, torch.where(power < least, 0.0, power)


def _change_of_light(now: Tensor, remapped: Tensor) -> tuple[Tensor, Tensor]:
    """() gain and offset; exactly 1 and 0 where the light is the same."""
    first = spec.LIGHT_STEP_PX // 2
    y, x = (min(first, side - 1) for side in now.shape)
    wanted, found = (
        picture[y :: spec.LIGHT_STEP_PX, x :: spec.LIGHT_STEP_PX].flatten()
        for picture in (now, remapped)
    )
    offset = _median(wanted) - _median(found)
    gain = torch.ones_like(offset)
    for _ in range(spec.LIGHT_ROUNDS):
        gap = wanted - gain * found - offset
        reach = (1.5 * _median(gap.abs())).clamp_min(spec.LEAST_STEPS)
        weight = 1.0 / (1.0 + (gap / reach) ** 2) ** 2
        weight = weight / weight.sum()
        mean_wanted, mean_found = (weight * wanted).sum(), (weight * found).sum()
        off_wanted, off_found = wanted - mean_wanted, found - mean_found
        common = (weight * off_wanted * off_found).sum() + spec.STIFFNESS
        least = common / ((weight * off_found * off_found).sum() + spec.STIFFNESS)
        most = ((weight * off_wanted * off_wanted).sum() + spec.STIFFNESS) / common
        most = torch.where(common > 0.0, most, 1.0)
        gain = torch.minimum(least.clamp_min(1.0), most)
        offset = mean_wanted - gain * mean_found
    middle = 128.0 * (gain - 1.0)
    changed = (middle.abs() > spec.UNSEEN_STEPS) | ((middle + offset).abs() > spec.UNSEEN_STEPS)
    return torch.where(changed, gain, 1.0), torch.where(changed, offset, 0.0)


def _blended(
    flow: Tensor, now: Tensor, before: Tensor, remapped: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What `camera_motion.SteadyFlow` holds; see `camera_motion.blend_camera_motion`."""
    own_error = (now - remapped).abs()
    affine, base_error, moves = _camera_error(flow, now, before)
    gain = halved(base_error - own_error)
    worse = _mean(gain, camera.NEAR_PX)
    worse = worse + camera.AROUND_WEIGHT * _mean(gain, camera.AROUND_PX).clamp_min(0.0)
    error = halved(own_error)
    noise = _sampled_median(_mean(error, 3))
    (low, high), (moving_low, moving_high) = camera.STILL_STEPS, camera.MOVING_STEPS
    low_steps = torch.where(moves, moving_low, (0.9 * noise).clamp_min(low))
    high_steps = torch.where(moves, moving_high, (1.6 * noise).clamp_min(high))
    trust = ((high_steps - worse) / (high_steps - low_steps)).clamp(0.0, 1.0)
    steady = 0.5 * flow
    steady = steady + (_affine_flow(affine, *trust.shape, half=True) - steady) * trust
    return steady, trust, _mean(error + gain * trust, 3)


def _camera_error(flow: Tensor, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(2, 3) affine, 0 where the camera stands still; what it leaves; () whether it moves."""
    still_error = (now - before).abs()
    affine, agreed = _camera_motion(flow, now)
    moved = _remapped(before, _affine_flow(affine, *now.shape, half=False))
    moves = agreed & (_cost(now, before) > camera.STILL_BIAS * _cost(now, moved))
    return affine * moves, torch.where(moves, (now - moved).abs(), still_error), moves


def _cost(now: Tensor, remapped: Tensor) -> Tensor:
    smooth = [_mean(picture, camera.SMOOTHING_PX).round_() for picture in (now, remapped)]
    return (smooth[0] - smooth[1]).abs().clamp_max(camera.CAPPED_STEPS).mean()


def _camera_motion(flow: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
    """(2, 3) flow = affine @ (x, y, 1) px; () whether enough structure follows it.

    See `camera_motion.camera_motion`. The small sums are float64, as there.
    """
    height, width = now.shape
    y, x = _sample_places(height, now.device), _sample_places(width, now.device)
    corners = _least_eigenvalue(_quartered(now))
    structure = _nearest(corners[None], y // 4, x // 4)[0]
    sure = (structure / camera.FULL_STRUCTURE).clamp_max(1.0)
    found = _nearest(flow, y // 2, x // 2)  # (2, samples)
    across = ((x.double() - width / 2) / width).expand(len(y), -1).flatten()
    down = ((y.double() - height / 2) / width)[:, None].expand(-1, len(x)).flatten()
    places = torch.stack([across, down, torch.ones_like(down)])  # (3, samples)
    motion = _follow(places, found, sure)
    following = (sure / (1.0 + (found - _at(motion, places)).square().sum(0)) ** 2).sum()
    total = sure.sum()
    agreed = (total >= camera.LEAST_SAMPLES) & (following >= camera.LEAST_FOLLOWING * total)
    slopes = motion[:, :2] / width
    offset = motion[:, 2] - slopes[:, 0] * (width / 2) - slopes[:, 1] * (height / 2)
    return torch.cat([slopes, offset[:, None]], 1).float(), agreed


def _nearest(planes: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(n, len(y) * len(x)) float64 of (n, h, w), held within."""
    height, width = planes.shape[1:]
    rows = planes.index_select(1, y.clamp_max(height - 1))
    return rows.index_select(2, x.clamp_max(width - 1)).flatten(1).double()


def _least_eigenvalue(quarter: Tensor) -> Tensor:
    """OpenCV's cornerMinEigenVal for blocks of 5 px: Sobel's slopes, summed up around each."""
    around = _mirrored(quarter, 1)
    down = around[:-2] + 2 * around[1:-1] + around[2:]
    across = around[:, :-2] + 2 * around[:, 1:-1] + around[:, 2:]
    x, y = down[:, 2:] - down[:, :-2], across[2:] - across[:-2]
    xx, xy, yy = (_mean(product, 5) for product in (x * x, x * y, y * y))
    half, apart = 0.5 * (xx + yy), 0.5 * (xx - yy)
    return _SPREAD * (half - (apart * apart + xy * xy).sqrt())


def _follow(places: Tensor, found: Tensor, sure: Tensor) -> Tensor:
    """(2, 3) least squares in which samples far from the fit lose their weight.

    places: (3, samples).  found: (2, samples) px.  sure: (samples,).
    """
    middle = _weighted_median(found, sure)
    near = [
        (sure * ((found - start).square().sum(0) < 1.0)).sum() for start in (0.0, middle[:, None])
    ]
    start = middle * (near[1] > near[0])
    motion = torch.cat([found.new_zeros(2, 2), start[:, None]], 1)
    products = places[:, None] * places  # (3, 3, samples)
    wanted = places[:, None] * found  # (3, 2, samples)
    reach = camera.WIDE_PX
    for _ in range(camera.FITTING_ROUNDS):
        distance = (found - _at(motion, places)).square().sum(0)
        weight = sure / (1.0 + distance / reach**2) ** 2
        motion = _solved((products * weight).sum(2), (wanted * weight).sum(2), weight.sum())
        reach = max(camera.NARROW_PX, reach * camera.NARROWING)
    return motion


def _at(motion: Tensor, places: Tensor) -> Tensor:
    """(2, samples): the motion at the places."""
    return (motion[:, :, None] * places).sum(1)


def _solved(matrix: Tensor, wanted: Tensor, total: Tensor) -> Tensor:
    """(2, 3): the solution for (3, 3) and (3, 2), by cofactors: a solver waits for its check."""
    ridge = [float(part) * total + 1e-9 for part in camera.RESISTANCE]
    xx, xy, x = matrix[0].unbind()
    yy, y, one = matrix[1, 1], matrix[1, 2], matrix[2, 2]
    xx, yy, one = xx + ridge[0], yy + ridge[1], one + ridge[2]
    rows = [
        [yy * one - y * y, x * y - xy * one, xy * y - x * yy],
        [x * y - xy * one, xx * one - x * x, x * xy - xx * y],
        [xy * y - x * yy, x * xy - xx * y, xx * yy - xy * xy],
    ]
    determinant = xx * rows[0][0] + xy * rows[0][1] + x * rows[0][2]
    inverse = torch.stack([torch.stack(row) for row in rows]) / determinant
    return (inverse[:, :, None] * wanted).sum(1).T


def _weighted_median(values: Tensor, weight: Tensor) -> Tensor:
    """(n,): of each row of (n, samples)."""
    ordered, order = values.sort(1)
    # Several rows at once: CUDA's running sum of a single one does not repeat to the bit.
    total = weight[order].cumsum(1)
    below = (total < 0.5 * total[:, -1:]).sum(1, keepdim=True)
    return ordered.gather(1, below.clamp_max(values.shape[1] - 1))[:, 0]


def _visibility(flow: Tensor, back: Tensor, steady: Tensor, trust: Tensor, error: Tensor) -> Tensor:
    """(h, w); see `occlusion.visibility`."""
    allowance = (_sampled_median(error) - seen.QUIET_STEPS).clamp_min(0.0)
    low, high = seen.ALIKE_STEPS[0] + 2 * allowance, seen.ALIKE_STEPS[1] + 3 * allowance
    visible = _agreement(flow, back) * _fall(error, low, high)
    lenient = seen.CAMERA_LENIENCE
    visible = torch.maximum(visible, _fall(error, low * lenient, high * lenient) * trust)
    inner = F.pad(visible[None], (1, 1, 1, 1), value=1.0)[0]
    eroded = torch.minimum(visible, torch.minimum(inner[:-2, 1:-1], inner[2:, 1:-1]))
    eroded = torch.minimum(eroded, torch.minimum(inner[1:-1, :-2], inner[1:-1, 2:]))
    height, width = visible.shape
    x = steady[0] + torch.arange(width, device=flow.device)
    y = steady[1] + torch.arange(height, device=flow.device)[:, None]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return (seen.LENIENCE * _softened(eroded)).clamp_max(1.0) * inside


def _agreement(flow: Tensor, back: Tensor) -> Tensor:
    """See `occlusion.agreement`."""
    back = _fetched(back, 0.5 * flow)
    bound = seen.RELATIVE * (flow * flow + back * back).sum(0) + seen.ABSOLUTE_PX2
    return _fall((flow + back).square().sum(0) / bound, 1.0, seen.SOFT)


def _softened(plane: Tensor) -> Tensor:
    around = _mirrored(plane, _REACH_PX)
    reach = range(-_REACH_PX, _REACH_PX + 1)
    weights = np.exp([-0.5 * (at / seen.SOFTENING_PX) ** 2 for at in reach])
    height, width = plane.shape
    shares = [float(weight) for weight in weights / weights.sum()]
    rows = torch.zeros_like(around[:height])
    for at, share in enumerate(shares):
        rows = rows.add(around[at : at + height], alpha=share)
    found = torch.zeros_like(plane)
    for at, share in enumerate(shares):
        found = found.add(rows[:, at : at + width], alpha=share)
    return found


def _fall(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    return ((high - value) * (1.0 / (high - low))).clamp(0.0, 1.0)


def _affine_flow(affine: Tensor, height: int, width: int, *, half: bool) -> Tensor:
    """(2, height, width) px; half: of a picture at half the size (see `camera_motion`)."""
    x = torch.arange(width, device=affine.device)
    y = torch.arange(height, device=affine.device)[:, None]
    slope_x, slope_y, offset = (part[:, None, None] for part in affine.unbind(1))
    if half:
        offset = 0.5 * offset + 0.25 * (slope_x + slope_y)
    return slope_x * x + (slope_y * y + offset)


def _remapped(picture: Tensor, flow: Tensor) -> Tensor:
    """(h, w) whole steps."""
    return _fetched(picture[None], flow)[0].round_()


def _fetched(planes: Tensor, flow: Tensor) -> Tensor:
    """(c, h, w) from where the flow (2, h, w) px points; the border goes on."""
    height, width = flow.shape[1:]
    at = positions(height, width, flow.device), flow.permute(1, 2, 0)
    grid = torch.addcmul(*at, unit(height, width, flow.device))
    return F.grid_sample(planes[None], grid, padding_mode="border", align_corners=True)[0]


def halved(planes: Tensor) -> Tensor:
    """(..., h // 2, w // 2), never less than a pixel, of (..., h, w), by area."""
    height, width = planes.shape[-2:]
    if height % 2 == width % 2 == 0:
        whole = planes.reshape(1, -1, height, width)
        return F.avg_pool2d(whole, 2).view(*planes.shape[:-2], height // 2, width // 2)
    down, across = (_area(side, planes.device) for side in (height, width))
    return down @ planes @ across.T


def _quartered(picture: Tensor) -> Tensor:
    """(h, w) whole steps, halved twice."""
    for _ in range(2):
        picture = (halved(picture) + 0.5).floor_()
    return picture


def _mean(plane: Tensor, side_px: int) -> Tensor:
    """The mean around each pixel, within a square; as OpenCV has it, mirrored at the border."""
    around = _mirrored(plane, side_px // 2)[None]
    rows = F.avg_pool2d(around, (1, side_px), 1)
    return F.avg_pool2d(rows, (side_px, 1), 1)[0]


def _mirrored(plane: Tensor, by_px: int) -> Tensor:
    """With so many px around it, mirrored at the outermost ones, however small it is."""
    height, width = plane.shape
    if by_px < min(height, width):
        return F.pad(plane[None], (by_px, by_px, by_px, by_px), mode="reflect")[0]
    rows, columns = (_mirror(side, by_px, plane.device) for side in (height, width))
    return plane.index_select(0, rows).index_select(1, columns)


def _sampled_median(plane: Tensor) -> Tensor:
    """Of every fourth pixel both ways; see `flow.sampled_median`."""
    height, width = plane.shape
    return _median(plane[min(1, height - 1) :: 4, min(1, width - 1) :: 4].flatten())


def _median(values: Tensor) -> Tensor:
    return values.sort().values[len(values) // 2]


# Made once per size, since nothing in a captured graph comes from the host, and never given back,
# since a graph goes on reading them.


@cache
def _sample_places(side_px: int, device: torch.device) -> Tensor:
    step = camera.SAMPLE_STEP_PX
    return torch.arange(min(step // 2, side_px - 1), side_px, step, device=device)


@cache
def _mirror(side_px: int, by_px: int, device: torch.device) -> Tensor:
    """Which pixel each is, from by_px before the first to by_px behind the last."""
    round_px = max(1, 2 * (side_px - 1))
    at = torch.arange(-by_px, side_px + by_px) % round_px
    return torch.minimum(at, round_px - at).clamp(0, side_px - 1).to(device)


@cache
def _area(side_px: int, device: torch.device) -> Tensor:
    """(side_px // 2, side_px): the share of each pixel in each of half as many."""
    count = max(1, side_px // 2)
    edges = torch.arange(count + 1, dtype=torch.float64) * (side_px / count)
    at = torch.arange(side_px)
    covered = torch.minimum(edges[1:, None], at + 1) - torch.maximum(edges[:-1, None], at)
    return (covered.clamp_min(0.0) * (count / side_px)).float().to(device)
