"""The chain of the VSM as four Triton kernels, for GPUs; ``erkt.views.fused`` starts them.

A program works on ``block`` pixels of one image. What an operation needs of a whole image (the mean luma for
contrast, each channel's extremes for autocontrast) an earlier kernel leaves as one number a block, and each
program that needs it folds these numbers: so no sum depends on which block comes first. The resized crop is
computed from pixels that are made anew where its filter looks for them: no image is stored between two
operations but the small one.

Arithmetic is that of the plain path on a CPU, operation by operation in float32. A fused multiplication and
addition stands where that path has one (luma, blending) and nowhere else, and kernels are compiled with
``enable_fp_fusion=False``: so the rotation's coordinates are rounded as there, and ties fall alike. Two sums
are added in another order: the mean luma and the filter of the resized crop.
"""

import triton
import triton.language as tl

from erkt.views.fused_table import COLUMN, WIDTH

_WIDTH = tl.constexpr(WIDTH)
_JITTER = tl.constexpr(COLUMN["jitter"])
_SHARE = tl.constexpr(COLUMN["share"])
_KIND = tl.constexpr(COLUMN["kind"])
_COS = tl.constexpr(COLUMN["cos"])
_SIN = tl.constexpr(COLUMN["sin"])
_MIRROR = tl.constexpr(COLUMN["mirror"])
_GRAYSCALE = tl.constexpr(COLUMN["grayscale"])
_AUTOCONTRAST = tl.constexpr(COLUMN["autocontrast"])
_FILL = tl.constexpr(COLUMN["fill"])
_ERASING = tl.constexpr(COLUMN["erasing"])
_RESIZED_CROP = tl.constexpr(COLUMN["resized_crop"])
_CUTMIX = tl.constexpr(COLUMN["cutmix"])

_CONTRAST = tl.constexpr(1)
_SATURATION = tl.constexpr(2)

STATISTICS = 7
"""Numbers that a block leaves: the sum of luma, three least values, three greatest."""

_STATISTICS = tl.constexpr(STATISTICS)
_LOW = tl.constexpr(1)
_HIGH = tl.constexpr(4)

_WHOLE = tl.constexpr(1.5 * 2**23)
"""Added to a float32 below 2**22 and taken away again, it rounds to a whole number, halves to even."""


@triton.jit
def luma_sums(
    images: tl.tensor,
    table: tl.tensor,
    statistics: tl.tensor,
    side: tl.constexpr,
    parts: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Leave each block's sum of luma as it is when contrast comes, for images that are jittered."""
    image, part = tl.program_id(0), tl.program_id(1)
    row = table + image * _WIDTH
    if tl.load(row + _JITTER) > 0:
        at = part * block + tl.arange(0, block)
        inside = at < side * side
        red, green, blue = _pixels(images, image, at, inside, side)
        waits = tl.load(row + _JITTER)  # 1 until contrast comes
        for turn in tl.static_range(3):
            kind = tl.load(row + _KIND + turn)
            waits = tl.where(kind == _CONTRAST, 0.0, waits)
            share = tl.where(waits > 0, tl.load(row + _SHARE + turn), 1.0)
            red, green, blue = _blended(red, green, blue, share, kind, 0.0)
        luma = tl.where(inside, _luma(red, green, blue), 0.0)
        tl.store(_left(statistics, image, 0, parts) + part, tl.sum(luma, axis=0))


@triton.jit
def extremes(
    images: tl.tensor,
    table: tl.tensor,
    statistics: tl.tensor,
    side: tl.constexpr,
    parts: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Leave each block's least and greatest values by channel, for images that autocontrast stretches."""
    image, part = tl.program_id(0), tl.program_id(1)
    row = table + image * _WIDTH
    if tl.load(row + _AUTOCONTRAST) > 0:
        at = part * block + tl.arange(0, block)
        inside = at < side * side
        mean = _mean(statistics, row, image, side, parts)
        red, green, blue = _coloured(images, row, image, mean, at // side, at % side, inside, side)
        low = _left(statistics, image, _LOW, parts) + part
        tl.store(low, tl.min(tl.where(inside, red, 1.0), axis=0))
        tl.store(low + parts, tl.min(tl.where(inside, green, 1.0), axis=0))
        tl.store(low + 2 * parts, tl.min(tl.where(inside, blue, 1.0), axis=0))
        high = _left(statistics, image, _HIGH, parts) + part
        tl.store(high, tl.max(tl.where(inside, red, 0.0), axis=0))
        tl.store(high + parts, tl.max(tl.where(inside, green, 0.0), axis=0))
        tl.store(high + 2 * parts, tl.max(tl.where(inside, blue, 0.0), axis=0))


@triton.jit
def shrink(
    images: tl.tensor,
    table: tl.tensor,
    statistics: tl.tensor,
    small: tl.tensor,
    side: tl.constexpr,
    size: tl.constexpr,
    parts: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Write ``small`` (B, 3, size, size): the resized crops, of images that have one.

    Bilinear with antialiasing: the filter's triangle reaches as far as a pixel of the result is wide, at
    least over one of the crop.
    """
    image, part = tl.program_id(0), tl.program_id(1)
    row = table + image * _WIDTH
    height, width = tl.load(row + _RESIZED_CROP + 2), tl.load(row + _RESIZED_CROP + 3)
    if height > 0:
        top = tl.load(row + _RESIZED_CROP).to(tl.int32)
        left = tl.load(row + _RESIZED_CROP + 1).to(tl.int32)
        facts = _facts(statistics, row, image, side, parts)
        at = part * block + tl.arange(0, block)
        inside = at < size * size
        first_y, centre_y, reach_y = _window(at // size, height, size)
        first_x, centre_x, reach_x = _window(at % size, width, size)
        red = tl.zeros([block], tl.float32)
        green = tl.zeros([block], tl.float32)
        blue = tl.zeros([block], tl.float32)
        total = tl.zeros([block], tl.float32)
        for step_y in range((2 * reach_y).to(tl.int32) + 1):
            y = first_y + step_y
            weight_y = _weight(y, centre_y, reach_y, height)
            for step_x in range((2 * reach_x).to(tl.int32) + 1):
                x = first_x + step_x
                weight = weight_y * _weight(x, centre_x, reach_x, width)
                wanted = inside & (weight > 0)
                more_red, more_green, more_blue = _unresized(
                    images, row, image, facts, top + y, left + x, wanted, side
                )
                red += weight * more_red
                green += weight * more_green
                blue += weight * more_blue
                total += weight
        red, green, blue = tl.div_rn(red, total), tl.div_rn(green, total), tl.div_rn(blue, total)
        _store(small, image, at, inside, red, green, blue, size)


@triton.jit
def mix(
    images: tl.tensor,
    table: tl.tensor,
    partners: tl.tensor,
    statistics: tl.tensor,
    small: tl.tensor,
    views: tl.tensor,
    side: tl.constexpr,
    size: tl.constexpr,
    parts: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Write ``views`` (B, 3, side, side): each image, and inside its CutMix box its partner.

    The partner's pixels are made here anew, so that its own mixing never shows.
    """
    image, part = tl.program_id(0), tl.program_id(1)
    at = part * block + tl.arange(0, block)
    y, x = at // side, at % side
    box = table + image * _WIDTH + _CUTMIX
    mixed = _in_box(box, y, x)
    top, height = tl.load(box), tl.load(box + 2)
    first, last = part * block // side, (part * block + block - 1) // side
    meets = (first < top + height) & (last >= top)  # a row of this block may lie in the box
    partner = tl.load(partners + image).to(tl.int32)
    for turn in range(tl.where(meets, 2, 1)):
        shown = tl.where(turn == 0, image, partner)
        wanted = (at < side * side) & (mixed == (turn == 1))
        red, green, blue = _finished(images, table, statistics, small, shown, y, x, wanted, side, size, parts)
        _store(views, image, at, wanted, red, green, blue, side)


@triton.jit
def _finished(
    images: tl.tensor,
    table: tl.tensor,
    statistics: tl.tensor,
    small: tl.tensor,
    image: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    wanted: tl.tensor,
    side: tl.constexpr,
    size: tl.constexpr,
    parts: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return ``image`` at (``y``, ``x``) after all operations that see one image."""
    row = table + image * _WIDTH
    if tl.load(row + _RESIZED_CROP + 2) > 0:
        red, green, blue = _enlarged(small, image, y, x, wanted, side, size)
    else:
        facts = _facts(statistics, row, image, side, parts)
        red, green, blue = _unresized(images, row, image, facts, y, x, wanted, side)
    return red, green, blue


@triton.jit
def _enlarged(
    small: tl.tensor,
    image: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    wanted: tl.tensor,
    side: tl.constexpr,
    size: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the small image at (``y``, ``x``) of the full side: up to two pixels a direction count."""
    start = small + image.to(tl.int64) * (3 * size * size)
    first_y, centre_y, reach = _window(y, size * 1.0, side)
    first_x, centre_x, reach = _window(x, size * 1.0, side)
    red = tl.zeros(y.shape, tl.float32)
    green = tl.zeros(y.shape, tl.float32)
    blue = tl.zeros(y.shape, tl.float32)
    total = tl.zeros(y.shape, tl.float32)
    for step_y in tl.static_range(2):
        for step_x in tl.static_range(2):
            weight_y = _weight(first_y + step_y, centre_y, reach, size * 1.0)
            weight = weight_y * _weight(first_x + step_x, centre_x, reach, size * 1.0)
            at = start + (first_y + step_y) * size + first_x + step_x
            known = wanted & (weight > 0)
            red += weight * tl.load(at, mask=known, other=0.0)
            green += weight * tl.load(at + size * size, mask=known, other=0.0)
            blue += weight * tl.load(at + 2 * size * size, mask=known, other=0.0)
            total += weight
    return tl.div_rn(red, total), tl.div_rn(green, total), tl.div_rn(blue, total)


@triton.jit
def _window(to: tl.tensor, length: tl.tensor, size: tl.constexpr) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return where pixel ``to`` of ``size`` looks among ``length``: its first, the centre, the reach."""
    scale = tl.div_rn(length, size * 1.0)
    reach = tl.maximum(scale, 1.0)
    centre = scale * (to.to(tl.float32) + 0.5)
    return tl.maximum(centre - reach + 0.5, 0.0).to(tl.int32), centre, reach


@triton.jit
def _weight(pixel: tl.tensor, centre: tl.tensor, reach: tl.tensor, length: tl.tensor) -> tl.tensor:
    """Return the triangle's height over ``pixel``, 0 outside the image."""
    distance = tl.abs(pixel.to(tl.float32) + 0.5 - centre)
    return tl.where(pixel < length, tl.maximum(1.0 - tl.div_rn(distance, reach), 0.0), 0.0)


@triton.jit
def _unresized(
    images: tl.tensor,
    row: tl.tensor,
    image: tl.tensor,
    facts: tl.tuple,
    y: tl.tensor,
    x: tl.tensor,
    wanted: tl.tensor,
    side: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return ``image`` at (``y``, ``x``) after jitter to erasing, given its ``facts``."""
    mean, low_red, span_red, low_green, span_green, low_blue, span_blue = facts
    red, green, blue = _coloured(images, row, image, mean, y, x, wanted, side)
    if tl.load(row + _AUTOCONTRAST) > 0:
        red = tl.clamp(tl.div_rn(red - low_red, span_red), 0.0, 1.0)
        green = tl.clamp(tl.div_rn(green - low_green, span_green), 0.0, 1.0)
        blue = tl.clamp(tl.div_rn(blue - low_blue, span_blue), 0.0, 1.0)
    erased = _in_box(row + _ERASING, y, x)
    red = tl.where(erased, tl.load(row + _FILL), red)
    green = tl.where(erased, tl.load(row + _FILL + 1), green)
    blue = tl.where(erased, tl.load(row + _FILL + 2), blue)
    return red, green, blue


@triton.jit
def _facts(
    statistics: tl.tensor, row: tl.tensor, image: tl.tensor, side: tl.constexpr, parts: tl.constexpr
) -> tl.tuple:
    """Return the mean luma, and by channel the least value and the span that autocontrast stretches."""
    low_red, span_red = _range(statistics, row, image, 0, parts)
    low_green, span_green = _range(statistics, row, image, 1, parts)
    low_blue, span_blue = _range(statistics, row, image, 2, parts)
    mean = _mean(statistics, row, image, side, parts)
    return mean, low_red, span_red, low_green, span_green, low_blue, span_blue


@triton.jit
def _mean(
    statistics: tl.tensor, row: tl.tensor, image: tl.tensor, side: tl.constexpr, parts: tl.constexpr
) -> tl.tensor:
    """Return the mean luma when contrast comes; 0 for images that are not jittered."""
    part = tl.arange(0, triton.next_power_of_2(parts))
    left = part < tl.where(tl.load(row + _JITTER) > 0, parts, 0)
    sums = tl.load(_left(statistics, image, 0, parts) + part, mask=left, other=0.0)
    return tl.div_rn(tl.sum(sums, axis=0), side * side * 1.0)


@triton.jit
def _range(
    statistics: tl.tensor, row: tl.tensor, image: tl.tensor, channel: tl.constexpr, parts: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """Return a channel's least value and its span; 0 and 1, which change nothing, if it is constant."""
    low, span = tl.full([], 0.0, tl.float32), tl.full([], 1.0, tl.float32)
    if tl.load(row + _AUTOCONTRAST) > 0:
        part = tl.arange(0, triton.next_power_of_2(parts))
        lows = _left(statistics, image, _LOW + channel, parts) + part
        highs = _left(statistics, image, _HIGH + channel, parts) + part
        least = tl.min(tl.load(lows, mask=part < parts, other=1.0), axis=0)
        greatest = tl.max(tl.load(highs, mask=part < parts, other=0.0), axis=0)
        low = tl.where(least == greatest, low, least)
        span = tl.where(least == greatest, span, greatest - least)
    return low, span


@triton.jit
def _coloured(
    images: tl.tensor,
    row: tl.tensor,
    image: tl.tensor,
    mean: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    wanted: tl.tensor,
    side: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return ``image`` at (``y``, ``x``) after jitter, rotation, flips and grayscale."""
    at, inside = _source(row, y, x, side)
    red, green, blue = _pixels(images, image, at, wanted & inside, side)
    if tl.load(row + _JITTER) > 0:
        for turn in tl.static_range(3):
            share, kind = tl.load(row + _SHARE + turn), tl.load(row + _KIND + turn)
            red, green, blue = _blended(red, green, blue, share, kind, mean)
    red = tl.where(inside, red, 0.0)
    green = tl.where(inside, green, 0.0)
    blue = tl.where(inside, blue, 0.0)
    if tl.load(row + _GRAYSCALE) > 0:
        luma = _luma(red, green, blue)
        red, green, blue = luma, luma, luma
    return red, green, blue


@triton.jit
def _source(row: tl.tensor, y: tl.tensor, x: tl.tensor, side: tl.constexpr) -> tuple[tl.tensor, tl.tensor]:
    """Return where in the image rotation and flips look for (``y``, ``x``), and whether it lies inside.

    The roundings are those of ``erkt.views.geometry`` and of torch's ``grid_sample`` behind it.
    """
    cos, sin = tl.load(row + _COS), tl.load(row + _SIN)
    across = (x.to(tl.float32) - (side - 1) / 2) * tl.load(row + _MIRROR)
    down = (y.to(tl.float32) - (side - 1) / 2) * tl.load(row + _MIRROR + 1)
    source_x = _nearest(across * cos + down * sin, side)
    source_y = _nearest(across * -sin + down * cos, side)
    inside = (source_x >= 0) & (source_x < side) & (source_y >= 0) & (source_y < side)
    return source_y * side + source_x, inside


@triton.jit
def _nearest(coordinate: tl.tensor, side: tl.constexpr) -> tl.tensor:
    """Return the pixel nearest to ``coordinate``, -1 to 1 over the image; halves go to the even one."""
    return (((coordinate + 1.0) * (side / 2) - 0.5 + _WHOLE) - _WHOLE).to(tl.int32)


@triton.jit
def _blended(
    red: tl.tensor, green: tl.tensor, blue: tl.tensor, share: tl.tensor, kind: tl.tensor, mean: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return a share of the colour and the rest of a target: black, the mean luma, or the pixel's luma."""
    luma = _luma(red, green, blue)
    target = tl.where(kind == _SATURATION, luma, tl.where(kind == _CONTRAST, mean, 0.0))
    rest = 1.0 - share
    return (
        tl.clamp(tl.fma(target, rest, red * share), 0.0, 1.0),
        tl.clamp(tl.fma(target, rest, green * share), 0.0, 1.0),
        tl.clamp(tl.fma(target, rest, blue * share), 0.0, 1.0),
    )


@triton.jit
def _luma(red: tl.tensor, green: tl.tensor, blue: tl.tensor) -> tl.tensor:
    """Return the luma, with the weights and roundings of ``erkt.views.color``."""
    return tl.fma(blue, 0.114, tl.fma(green, 0.587, red * 0.2989))


@triton.jit
def _pixels(
    images: tl.tensor, image: tl.tensor, at: tl.tensor, wanted: tl.tensor, side: tl.constexpr
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the stored pixels ``at`` of ``image`` in [0, 1], 0 where they are not ``wanted``."""
    start = images + image.to(tl.int64) * (3 * side * side) + at
    red = tl.load(start, mask=wanted, other=0)
    green = tl.load(start + side * side, mask=wanted, other=0)
    blue = tl.load(start + 2 * side * side, mask=wanted, other=0)
    unit = 1 / 255
    return red.to(tl.float32) * unit, green.to(tl.float32) * unit, blue.to(tl.float32) * unit


@triton.jit
def _store(
    to: tl.tensor,
    image: tl.tensor,
    at: tl.tensor,
    wanted: tl.tensor,
    red: tl.tensor,
    green: tl.tensor,
    blue: tl.tensor,
    side: tl.constexpr,
) -> None:
    """Write pixels ``at`` of ``image`` into ``to`` (B, 3, side, side)."""
    start = to + image.to(tl.int64) * (3 * side * side) + at
    tl.store(start, red, mask=wanted)
    tl.store(start + side * side, green, mask=wanted)
    tl.store(start + 2 * side * side, blue, mask=wanted)


@triton.jit
def _left(statistics: tl.tensor, image: tl.tensor, which: tl.constexpr, parts: tl.constexpr) -> tl.tensor:
    """Return where number ``which`` of the blocks of ``image`` starts in ``statistics``."""
    return statistics + (image * _STATISTICS + which) * parts


@triton.jit
def _in_box(box: tl.tensor, y: tl.tensor, x: tl.tensor) -> tl.tensor:
    """Return whether (``y``, ``x``) lies in the box (top, left, height, width) that ``box`` points to."""
    top, left, height, width = tl.load(box), tl.load(box + 1), tl.load(box + 2), tl.load(box + 3)
    return (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
