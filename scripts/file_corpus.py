#!/usr/bin/env python3
"""Films of every kind, made, rendered and judged: `file_corpus.py FOLDER [NAME...]`.

Each film is made by the ffmpeg command: a grey picture with a coloured field and a white flash each
second, a beep with each flash. It is rendered without a dream (`--strength 0`), and the result is
judged by ffmpeg and ffprobe alone, against the film itself: number of frames, their times,
duration, shape on the screen, mean colour, flashes and beeps together, tracks, chapters.
What is not the same must be said in a note of the render, or the film refused in one line.
Minutes long, so no test; needs ffmpeg and ffprobe.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLASH = "lt(mod(t\\,1)\\,0.08)"
BEEP = f"aevalsrc='if({FLASH},0.8*sin(2*PI*1000*t),0)':s=48000:d=3"
SUBTITLES = "1\n00:00:00,500 --> 00:00:01,200\none\n\n2\n00:00:01,500 --> 00:00:02,500\ntwo\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=Corpus\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=Opening\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=3000\ntitle=End\n"
)


@dataclass(frozen=True)
class Film:
    """One of the corpus.

    name: of its file.  video, audio: ffmpeg's words for the codecs, audio "" for none.  out: suffix
    of what it is rendered to.  shape: size and rate of the picture, as a filter source takes them.
    filters: of the picture.  subtitles: their codec.  more: further words.  halved: a render has
    half the frames, one for two fields.  codec: to render to.
    """

    name: str
    video: str
    audio: str = ""
    out: str = ".mkv"
    shape: str = "s=192x108:r=25"
    filters: str = ""
    subtitles: str = ""
    more: str = ""
    codec: str = ""


X264 = "libx264 -pix_fmt yuv420p -bf 2"
AAC, PCM = "aac", "pcm_s16le"
FILMS = (
    Film("h264.mp4", X264, AAC, ".mp4"),
    Film("h264-subtitles.mp4", X264, AAC, ".mkv", subtitles="mov_text"),
    Film("h264-chapters.mp4", X264, AAC, ".mov", more="-i chapters.txt -map_metadata 3"),
    Film("h264-to-webm.mp4", X264, AAC, ".webm"),
    Film("h264-to-avi.mp4", "libx264 -pix_fmt yuv420p -bf 0", AAC, ".avi"),
    Film("h264-to-ts.mp4", X264, AAC, ".ts"),
    Film("fragmented.mp4", X264, AAC, ".mp4", more="-movflags frag_keyframe+empty_moov"),
    Film("high444.mp4", "libx264 -pix_fmt yuv444p", AAC, ".mp4"),
    Film("ten-bit.mp4", "libx264 -pix_fmt yuv420p10le", AAC, ".mov"),
    Film("hevc.mp4", "libx265 -x265-params log-level=error -tag:v hvc1", AAC, ".mp4"),
    Film("mpeg4.mp4", "mpeg4 -q:v 2 -bf 2", "libmp3lame", ".mp4"),
    Film("av1.mp4", "libsvtav1 -crf 20", "libopus", ".mp4"),
    Film("vp9.mp4", "libvpx-vp9 -crf 20 -b:v 0", AAC, ".webm"),
    Film("alac.m4v", X264, "alac", ".m4v"),
    Film("ac3.mp4", X264, "ac3", ".mov"),
    Film("odd.mp4", "libx264 -pix_fmt yuv444p", AAC, ".mp4", shape="s=193x109:r=25"),
    Film("ntsc.mp4", X264, AAC, ".mp4", shape="s=192x108:r=30000/1001"),
    Film("film.mp4", X264, AAC, ".mkv", shape="s=192x108:r=24000/1001"),
    Film("fifty.mp4", X264, AAC, ".ts", shape="s=192x108:r=50"),
    Film("uneven.mkv", X264, AAC, ".mp4", filters="setpts=PTS+0.01*mod(N\\,3)/TB", more="-vsync 0"),
    Film("rotated.mp4", X264, AAC, ".mp4", more="-metadata:s:v rotate=90"),
    Film("late.ts", X264, "mp2", ".mp4", more="-output_ts_offset 20"),
    Film("full-range.mp4", X264 + " -color_range pc", AAC, ".mov", filters="scale=out_range=full",
         codec="prores"),
    Film("bt709.mp4", X264 + " -colorspace bt709 -color_primaries bt709 -color_trc bt709", AAC,
         ".mp4", filters="scale=out_color_matrix=bt709"),
    Film("prores.mov", "prores_ks -profile:v 2", PCM, ".mov"),
    Film("prores-to-mp4.mov", "prores_ks -profile:v 3", "pcm_s24le", ".mp4"),
    Film("timecode.mov", X264, AAC, ".mov", more="-timecode 01:02:03:04"),
    Film("mjpeg.mov", "mjpeg -q:v 2 -pix_fmt yuvj422p", PCM, ".mov"),
    Film("dnxhd.mov", "dnxhd -b:v 120M -pix_fmt yuv422p", PCM, ".mov",
         shape="s=1920x1080:r=25"),
    Film("qtrle.mov", "qtrle", PCM, ".mkv", codec="ffv1"),
    Film("flac.mkv", X264, "flac", ".mkv", subtitles="srt"),
    Film("ass.mkv", X264, "libvorbis", ".mkv", subtitles="ass"),
    Film("subtitles-to-mp4.mkv", X264, AAC, ".mp4", subtitles="srt"),
    Film("opus-ten-bit.mkv", "libx265 -x265-params log-level=error -pix_fmt yuv420p10le",
         "libopus", ".mkv"),
    Film("ffv1.mkv", "ffv1 -pix_fmt bgr0", "pcm_s24le", ".mkv", codec="ffv1"),
    Film("truehd.mkv", X264, "truehd -strict -2", ".mkv"),
    Film("dts.mkv", X264, "dca -strict -2", ".mp4"),
    Film("mpeg2.mkv", "mpeg2video -q:v 2 -bf 2", "ac3", ".mkv"),
    Film("two-sounds.mkv", X264, AAC, ".mp4", more="-map 1:a -metadata:s:a:1 language=jpn"),
    Film("two-pictures.mkv", X264, AAC, ".mkv", more="-map 0:v -c:v:1 mpeg4"),
    Film("vp8.webm", "libvpx -b:v 2M", "libvorbis", ".webm"),
    Film("vp9.webm", "libvpx-vp9 -crf 15 -b:v 0", "libopus", ".webm", subtitles="webvtt"),
    Film("alpha.webm", "libvpx-vp9 -pix_fmt yuva420p -auto-alt-ref 0 -crf 15 -b:v 0", "libopus",
         ".mp4", filters="format=yuva420p"),
    Film("av1.webm", "libsvtav1 -crf 20", "libopus", ".webm"),
    Film("xvid.avi", "mpeg4 -q:v 2 -vtag XVID -bf 2", "libmp3lame", ".mp4"),
    Film("mjpeg.avi", "mjpeg -q:v 2 -pix_fmt yuvj420p", "adpcm_ima_wav", ".mkv"),
    Film("dv.avi", "dvvideo -flags +ilme+ildct -pix_fmt yuv420p", PCM, ".mp4",
         shape="s=720x576:r=50", filters="setsar=16/15,interlace=scan=bff"),
    Film("huffyuv.avi", "huffyuv -pix_fmt yuv422p", PCM, ".mkv"),
    Film("adts.ts", X264, AAC, ".mp4"),
    Film("hevc.ts", "libx265 -x265-params log-level=error", "ac3", ".mp4"),
    Film("television.ts", "mpeg2video -q:v 2 -bf 2 -flags +ilme+ildct", "mp2", ".mp4",
         shape="s=720x576:r=50", filters="setsar=64/45,interlace=scan=tff"),
    Film("camcorder.m2ts", X264 + " -flags +ilme+ildct -x264opts tff=1", "ac3", ".mp4",
         shape="s=640x360:r=50", filters="interlace=scan=tff"),
    Film("dvd.vob", "mpeg2video -q:v 2 -bf 2", "ac3", ".mp4", shape="s=720x576:r=25",
         filters="setsar=64/45"),
    Film("program.mpg", "mpeg1video -q:v 2", "mp2", ".mp4"),
    Film("web.flv", X264, AAC, ".mp4"),
    Film("old.flv", "flv -q:v 2", "libmp3lame -ar 44100", ".mkv"),
    Film("windows.wmv", "wmv2 -q:v 2", "wmav2", ".mkv"),
    Film("windows-to-mp4.wmv", "wmv2 -q:v 2", "wmav2", ".mp4"),
    Film("theora.ogv", "libtheora -q:v 9", "libvorbis", ".webm"),
    Film("broadcast.mxf", "mpeg2video -q:v 2 -pix_fmt yuv420p", PCM, ".mov",
         shape="s=720x576:r=25"),
    Film("phone.3gp", "h263 -q:v 2", "aac -ar 16000 -ac 1", ".mp4", shape="s=176x144:r=25"),
    Film("animation.gif", "gif", "", ".mp4", filters="format=rgb24"),
    Film("animation.apng", "apng -f apng", "", ".mkv"),
)  # fmt: skip


def run(*words: str | Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([str(word) for word in words], capture_output=True, check=False)


def make(film: Film, folder: Path) -> str:
    """Make the film; what ffmpeg said where it could not."""
    picture = (
        f"color=0x505050:{film.shape}:d=3,drawbox=x=iw/8:y=ih/8:w=iw/4:h=ih/2:color=0xc04020:t=fill,"
        f"drawbox=color=white:t=fill:enable='{FLASH}'"
    )
    picture += f",{film.filters}" if film.filters else ""
    words = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", BEEP]
    words += ["-i", str(folder / "subtitles.srt")]
    more = film.more.split()
    inputs = 2 * more.count("-i")
    words += [str(folder / w) if w == "chapters.txt" else w for w in more[:inputs]]
    words += ["-map", "0:v", "-c:v", *film.video.split()]
    if film.audio:
        words += ["-map", "1:a", "-c:a", *film.audio.split()]
    if film.subtitles:
        words += ["-map", "2:s", "-c:s", film.subtitles]
    made = run(*words, *more[inputs:], "-t", "3", folder / film.name)
    return made.stderr.decode(errors="replace").strip() if made.returncode else ""


def probe(path: Path, *words: str) -> Any:
    return json.loads(run("ffprobe", "-v", "error", "-of", "json", *words, path).stdout or b"{}")


@dataclass
class Seen:
    """What ffprobe and ffmpeg find in a file."""

    times: NDArray[np.float64]
    end: float
    shape: float  # width to height, on the screen
    colour: NDArray[np.float64]
    flashes: list[float]
    beeps: list[float]
    sounds: int
    subtitles: int
    chapters: int


def seen(path: Path) -> Seen:
    streams = probe(path, "-show_streams")["streams"]
    kinds = [s["codec_type"] for s in streams]
    frames = probe(path, "-select_streams", "v:0", "-show_frames")["frames"]
    times = np.array([float(f.get("best_effort_timestamp_time", "nan")) for f in frames])
    known = np.isfinite(times)  # a first B-frame may have none of its own
    times[~known] = (
        times[known][0] + np.arange(-known.argmax(), len(times) - known.argmax()) / 25
    )[~known]
    last = float(frames[-1].get("pkt_duration_time", frames[-1].get("duration_time", 0)) or 0)
    small = run(
        "ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-vsync", "0", "-vf",
        "scale='iw*sar':ih,setsar=1,scale=64:64:flags=area", "-pix_fmt", "rgb24",
        "-f", "rawvideo", "-",
    ).stdout  # fmt: skip
    pixels = np.frombuffer(small, np.uint8).reshape(-1, 64, 64, 3).astype(float)
    bright = pixels[:, 40:, 40:].mean((1, 2, 3)) > 160
    starts = [i for i in range(len(bright)) if bright[i] and not (i and bright[i - 1])]
    shown = run(
        "ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-frames:v", "1", "-vf",
        "scale='iw*sar':ih,setsar=1", "-f", "framehash", "-",
    ).stdout.decode()  # fmt: skip
    size = next(line for line in shown.splitlines() if line.startswith("#dimensions"))
    width, height = (int(side) for side in size.split(":")[1].split("x"))
    dark = pixels[~bright].mean(0) if (~bright).any() else pixels.mean(0)
    return Seen(
        times, float(times[-1]) + last, width / height, dark,
        [float(times[i]) for i in starts if i < len(times)],
        beeps(path) if "audio" in kinds else [], kinds.count("audio"), kinds.count("subtitle"),
        len(probe(path, "-show_chapters").get("chapters", [])),
    )  # fmt: skip


def beeps(path: Path) -> list[float]:
    """When the first sound track's beeps begin, s, as ffmpeg places its samples."""
    rate = 48000
    sound = run(
        "ffmpeg", "-v", "error", "-copyts", "-i", path, "-map", "0:a:0", "-af",
        f"aresample={rate}:async=1:first_pts=0", "-ac", "1", "-f", "f32le", "-",
    ).stdout  # fmt: skip
    loud = np.flatnonzero(np.abs(np.frombuffer(sound, np.float32)) > 0.2) / rate
    return (
        [float(loud[0]), *(float(b) for a, b in pairwise(loud) if b - a > 0.3)] if len(loud) else []
    )


def judged(film: Film, folder: Path) -> list[str]:
    """What is wrong with the render of a film; empty where all is right, or refused in a line."""
    output = folder / f"{film.name}.out{film.out}"
    codec = ["--codec", film.codec] if film.codec else []
    rendered = run(
        sys.executable, "-m", "livedream", "render", folder / film.name, "-o", output,
        "--overwrite", "--size", "90p", "--octaves", "1", "--iterations", "1", "--strength", "0",
        "--flow", "none", *codec,
    )  # fmt: skip
    said = rendered.stderr.decode() + rendered.stdout.decode()
    if rendered.returncode == 2 and "Traceback" not in said:
        return [f"REFUSED {said.strip().splitlines()[-1]}"]
    if rendered.returncode:
        return [f"exit code {rendered.returncode}: {said.strip().splitlines()[-1]}"]
    notes = "\n".join(line for line in said.splitlines() if line.startswith("note:"))
    return [*differences(seen(folder / film.name), seen(output), film, notes)]


def differences(a: Seen, b: Seen, film: Film, notes: str) -> list[str]:
    found = []
    if len(a.times) != len(b.times):
        return [f"{len(b.times)} frames of {len(a.times)}"]
    tick = {".avi": 0.03, ".mkv": 0.0011, ".webm": 0.0011}.get(film.out, 0.0006)
    moved = np.abs((b.times - b.times[0]) - (a.times - a.times[0])).max()
    if not moved <= tick:
        found.append(f"a frame is {1000 * moved:.1f} ms off")
    lengths = [x.end - x.times[0] for x in (a, b)]
    if abs(lengths[0] - lengths[1]) > 0.045:
        found.append(f"lasts {lengths[1]:.3f} s, not {lengths[0]:.3f}")
    if abs(b.shape / a.shape - 1) > 0.02:
        found.append(f"{b.shape:.3f} wide to high, not {a.shape:.3f}")
    colour = np.abs(a.colour - b.colour).mean()
    if colour > 3:
        found.append(f"colour differs by {colour:.1f} of 255")
    if len(a.flashes) != len(b.flashes):
        found.append(f"{len(b.flashes)} flashes of {len(a.flashes)}")
    if a.beeps and (len(b.beeps) != len(a.beeps)):
        found.append(f"{len(b.beeps)} beeps of {len(a.beeps)}")
    elif a.beeps and a.flashes and b.flashes:
        late = [
            (y - b.flashes[0]) - (x - a.flashes[0]) for x, y in zip(a.beeps, b.beeps, strict=True)
        ]
        if max(map(abs, late)) > 0.03:
            found.append(f"sound up to {1000 * max(late, key=abs):+.0f} ms off")
    for kind, had, has, word in (
        ("sound", a.sounds, b.sounds, "audio"), ("subtitle", a.subtitles, b.subtitles, "subtitles"),
        ("chapter", a.chapters, b.chapters, "chapters"),
    ):  # fmt: skip
        if had != has and word not in notes:
            found.append(f"{has} {kind}s of {had}, and no note")
    return found


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="some of the films (default: all)")
    args = parser.parse_args(words)
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "subtitles.srt").write_text(SUBTITLES)
    (args.folder / "chapters.txt").write_text(CHAPTERS)
    right = refused = wrong = 0
    for film in FILMS:
        if args.names and film.name not in args.names:
            continue
        trouble = make(film, args.folder)
        if trouble:
            print(f"{film.name:24} not made: {trouble.splitlines()[-1]}", flush=True)
            continue
        found = judged(film, args.folder)
        if not found:
            right += 1
        elif found[0].startswith("REFUSED"):
            refused += 1
        else:
            wrong += 1
        print(f"{film.name:24} -> {film.out:5} {'; '.join(found) or 'right'}", flush=True)
    print(f"{right} right, {refused} refused in a line, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
