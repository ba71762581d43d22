"""Gaussians bound to a head mesh, and the `.emo` file that stores them."""

from emohead.avatar.corrections import Corrections as Corrections
from emohead.avatar.emo_file import EmoRecord as EmoRecord
from emohead.avatar.emo_file import encode_thumbnail as encode_thumbnail
from emohead.avatar.emo_file import load_avatar as load_avatar
from emohead.avatar.emo_file import read_emo as read_emo
from emohead.avatar.emo_file import read_manifest as read_manifest
from emohead.avatar.emo_file import resolve_avatar as resolve_avatar
from emohead.avatar.emo_file import topology_digest as topology_digest
from emohead.avatar.emo_file import write_emo as write_emo
from emohead.avatar.gaussian_avatar import GaussianAvatar as GaussianAvatar
