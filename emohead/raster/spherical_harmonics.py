"""View-dependent colour: real spherical harmonics up to degree 3, with gsplat's order, signs and constants."""

import torch
from jaxtyping import Float
from torch import Tensor

_C0 = 0.28209479177387814
_C1 = 0.4886025119029199
_C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)
_C3 = (
    -0.5900435899266435,
    2.890611442640554,
    -0.4570457994644658,
    0.3731763325901154,
    -0.4570457994644658,
    1.445305721320277,
    -0.5900435899266435,
)


def sh_to_rgb(sh: Float[Tensor, "N K 3"], directions: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """Colours seen along `directions` (from the camera to the Gaussian, any length), not below 0."""
    if sh.shape[1] == 1:
        return (sh[:, 0] * _C0 + 0.5).clamp_min(0)
    basis = sh_basis(torch.nn.functional.normalize(directions, dim=-1), sh.shape[1])
    return (torch.einsum("nk,nkc->nc", basis, sh) + 0.5).clamp_min(0)


def sh_basis(directions: Float[Tensor, "N 3"], n_bases: int) -> Float[Tensor, "N K"]:
    """Values of the first `n_bases` (1, 4, 9 or 16) basis functions at unit `directions`."""
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, _C0)]
    if n_bases > 1:
        values += [-_C1 * y, _C1 * z, -_C1 * x]
    if n_bases > 4:
        xx, yy, zz = x * x, y * y, z * z
        values += [_C2[0] * x * y, _C2[1] * y * z, _C2[2] * (2 * zz - xx - yy), _C2[3] * x * z, _C2[4] * (xx - yy)]
        if n_bases > 9:
            values += [
                _C3[0] * y * (3 * xx - yy),
                _C3[1] * x * y * z,
                _C3[2] * y * (4 * zz - xx - yy),
                _C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
                _C3[4] * x * (4 * zz - xx - yy),
                _C3[5] * z * (xx - yy),
                _C3[6] * x * (xx - 3 * yy),
            ]
    return torch.stack(values, -1)
