/* speak [ENGINE_DIR] [EMOTION]: 16 kHz mono s16le on standard input, RGB pictures on standard output.
 *
 *     cc -std=c99 examples/c_service/speak.c -o speak $(emogene-config --cflags --libs)
 *     ./speak < speech.pcm | ffmpeg -f rawvideo -pix_fmt rgb24 -s 512x512 -r 25 -i - out.mp4
 *
 * An ENGINE_DIR of "" is the built-in avatar. SPEAK_SIZE in the environment is the pictures' side.
 */
#include <emogene.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(void) {
    fprintf(stderr, "error: %s\n", emogene_last_error());
    return 1;
}

/* Writes every frame that is there; EMOGENE_FAILURE if the output has gone. */
static emogene_status write_frames(emogene_session *session, size_t bytes, long *frames) {
    const uint8_t *pixels;
    emogene_frame *frame;
    emogene_status status;
    while ((status = emogene_borrow(session, &pixels, NULL, &frame)) == EMOGENE_OK) {
        const size_t written = fwrite(pixels, 1, bytes, stdout);
        emogene_frame_release(frame);
        if (written != bytes) return EMOGENE_FAILURE;
        ++*frames;
    }
    return status;
}

int main(int count, char **words) {
    emogene_avatar *avatar;
    emogene_session *session;
    emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
    const char *path = count > 1 && *words[1] ? words[1] : NULL, *size = getenv("SPEAK_SIZE");
    int16_t samples[EMOGENE_SAMPLES_PER_FRAME];
    int32_t side;
    size_t got, bytes;
    long frames = 0;

    if (emogene_open(path, NULL, &avatar)) return failed();
    options.emotion = count > 2 ? words[2] : NULL;
    options.size = size ? atoi(size) : 0;
    if (emogene_session_open(avatar, &options, &session)) return failed();
    if (emogene_session_size(session, &side)) return failed();
    bytes = emogene_image_bytes(EMOGENE_RGB, side, 0);
    while ((got = fread(samples, 2, EMOGENE_SAMPLES_PER_FRAME, stdin)) > 0) {
        if (emogene_push_s16(session, samples, got)) return failed();
        if (write_frames(session, bytes, &frames) != EMOGENE_NO_FRAME) return failed();
    }
    if (emogene_flush(session)) return failed();
    if (write_frames(session, bytes, &frames) != EMOGENE_NO_FRAME) return failed();
    emogene_session_close(session);
    emogene_close(avatar);
    fprintf(stderr, "%ld frames of %d x %d\n", frames, (int)side, (int)side);
    return fflush(stdout) != 0;
}
