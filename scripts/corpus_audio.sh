#!/bin/bash
# Makes tests/fuzz/corpus/audio: a tone of 440 Hz in many formats, whole, damaged and of the wrong
# kind (ok_*, warn_*, err_*), and tests/golden/audio.txt: for each that the ffmpeg program decodes,
# the number of samples and a hash (FNV-1a, 32 bits) of what openai/whisper's loader would get.
# Needs the ffmpeg program; the tests do not. The hashes hold for one FFmpeg version and processor
# family, written in the first line.
set -e
cd "$(dirname "$0")/.."
out=tests/fuzz/corpus/audio table=tests/golden/audio.txt
rm -rf $out && mkdir -p $out && cd $out
ff() { ffmpeg -nostdin -v error -y -bitexact "$@"; }
tone() { echo "-f lavfi -i sine=frequency=440:sample_rate=$1:duration=$2"; }

ff $(tone 16000 0.1) ok_s16.wav
ff $(tone 44100 0.1) -ac 2 ok_stereo.wav
ff $(tone 8000 0.1) -c:a pcm_mulaw ok_mulaw.wav
ff $(tone 48000 0.05) -ac 6 -c:a pcm_s24le ok_51.wav
ff $(tone 22050 0.1) -c:a pcm_f32be ok_float.aiff
ff $(tone 11025 0.2) ok_11k.au
ff $(tone 44100 0.3) -ac 2 -c:a libmp3lame -b:a 64k ok_xing.mp3
ff $(tone 22050 0.3) -c:a libmp3lame -b:a 32k -write_xing 0 ok_plain.mp3
ff $(tone 44100 0.3) -c:a flac ok.flac
ff $(tone 44100 0.3) -c:a libvorbis -q:a 0 -page_duration 50000 ok_vorbis.ogg
ff $(tone 48000 0.3) -c:a libopus -b:a 24k ok.opus
ff $(tone 48000 0.3) -c:a libopus -b:a 24k ok.webm
ff $(tone 44100 0.3) -c:a aac -b:a 48k ok.m4a
ff $(tone 44100 0.3) -c:a aac -b:a 48k -movflags faststart ok_fast.m4a
ff $(tone 44100 0.3) -c:a aac -b:a 48k ok.aac
ff $(tone 44100 0.3) -c:a wmav2 -b:a 48k ok.wma
ff $(tone 44100 0.3) -c:a mp2 -b:a 64k ok.mp2
ff -f lavfi -i testsrc=size=16x16:rate=10:duration=0.3 $(tone 44100 0.3) $(tone 16000 0.3) -map 0 \
    -map 1 -map 2 -c:v mpeg4 -c:a mp2 -b:a 64k ok_video.mkv
printf 'RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0' >ok_no_samples.wav

head -c 2000 ok_s16.wav >warn_cut.wav
head -c 10000 ok.flac >warn_cut.flac
head -c 1500 ok_xing.mp3 >warn_cut.mp3
head -c 4000 ok_vorbis.ogg >warn_cut.ogg
head -c 2000 ok_fast.m4a >warn_cut.m4a
# Rate and channels change on the way, with half a frame at each joint.
cat ok_plain.mp3 ok_xing.mp3 ok_plain.mp3 >warn_changes.mp3
{ head -c 800 ok.aac && printf 'damage, damage, damage' && tail -c +900 ok.aac; } >warn_damaged.aac

head -c 22 ok_s16.wav >err_header.wav
head -c 900 ok.m4a >err_no_index.m4a
ff -f lavfi -i testsrc=size=16x16:rate=10:duration=0.3 -c:v mpeg4 err_no_sound.mp4
ff -f lavfi -i testsrc=size=16x16:duration=0.04 -frames:v 1 err_picture.png
printf 'This is not a recording.\n' >err_text.wav
printf '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nok.aac\n#EXT-X-ENDLIST\n' >err_playlist.m3u8
printf 'ffconcat version 1.0\nfile ok_s16.wav\n' >err_concat.wav
printf 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n' >err_address.sdp

python3 - *_* ok.* >../../../../$table <<'P'
import platform, re, subprocess, sys
version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout
resampler = re.search(r"libswresample +(\d+)\. *(\d+)\.", version).groups()
print("# libswresample", *resampler, platform.machine())
for name in sorted(set(sys.argv[1:])):
    run = subprocess.run(["ffmpeg", "-nostdin", "-v", "quiet", "-threads", "0", "-i", name, "-f", "s16le",
                          "-ac", "1", "-acodec", "pcm_s16le", "-ar", "16000", "-"], capture_output=True)
    if run.returncode == 0 and not name.startswith("err_"):
        h = 0x811C9DC5
        for b in run.stdout:
            h = (h ^ b) * 0x01000193 & 0xFFFFFFFF
        print(name, len(run.stdout) // 2, f"{h:08x}")
P
