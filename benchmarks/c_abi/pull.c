/* pull ENGINE_DIR SIZE THREADS SAMPLES BESIDE: times pulls, one for each byte it reads.
 *
 * SAMPLES is a file of 16 kHz mono float32; an ENGINE_DIR of "" is the built-in avatar. A byte on
 * standard input names the way: b borrows, and r, a, n copy RGB, RGBA, NV12 through the C ABI; any
 * other is for the `turn` of BESIDE, a Python program that runs in this process, on the same avatar.
 * Every way has a session of its own, all of the same samples. On standard output comes back a
 * `struct answer`, then the picture's first 3 × SIZE bytes. All is pulled in one thread, which Python
 * never heard of, as in a service.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <emogene.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct answer {
    double seconds; /* the call took, with the frame given back where it was borrowed */
    double inside;  /* of these the frame says it spent on hearing and rendering */
};

static const char kWays[] = "bran";
enum { kCount = 4 };

static emogene_session *sessions[kCount];
static size_t row;
static int32_t side;
static const char *samples_path, *beside;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

/* Runs a line of Python; its exception is printed. */
static int python(const char *line) {
    int (*ensure)(void);
    int (*run)(const char *);
    void (*release)(int);
    int state, failed;
    *(void **)&ensure = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
    *(void **)&run = dlsym(RTLD_DEFAULT, "PyRun_SimpleString");
    *(void **)&release = dlsym(RTLD_DEFAULT, "PyGILState_Release");
    if (ensure == NULL || run == NULL || release == NULL) return -1;
    state = ensure();
    failed = run(line);
    release(state);
    return failed;
}

static emogene_status borrow(emogene_session *session, emogene_frame_info *info, uint8_t *seen) {
    const uint8_t *pixels;
    emogene_frame *frame;
    const emogene_status status = emogene_borrow(session, &pixels, info, &frame);
    if (status != EMOGENE_OK) return status;
    memcpy(seen, pixels, row);
    return emogene_frame_release(frame);
}

static emogene_status pull(int way, uint8_t *picture, size_t capacity, struct answer *answer) {
    static emogene_frame_info info = EMOGENE_FRAME_INFO_INIT;
    const double began = now();
    const emogene_status status =
        way == 0 ? borrow(sessions[0], &info, picture)
                 : emogene_pull(sessions[way], (emogene_format)(way - 1), picture, capacity, 0, &info);
    answer->seconds = now() - began;
    answer->inside = info.speech_seconds + info.render_seconds;
    return status;
}

static int serve(uint8_t *picture, size_t capacity) {
    struct answer answer;
    char line[4096];
    int way;
    snprintf(line, sizeof line,
             "beside = {}\nexec(compile(open('%s').read(), '%s', 'exec'), beside)\n"
             "beside['prepare']('%s', %d, %llu, %llu)\n",
             beside, beside, samples_path, side, (unsigned long long)(size_t)&answer,
             (unsigned long long)(size_t)picture);
    if (python(line)) return 1;
    while ((way = getchar()) != EOF) {
        const char *at = strchr(kWays, way);
        if (at == NULL) {
            snprintf(line, sizeof line, "beside['turn'](%d)", way);
            if (python(line)) return 1;
        } else if (pull((int)(at - kWays), picture, capacity, &answer) != EMOGENE_OK) {
            fprintf(stderr, "%c: %s\n", way, emogene_last_error());
            return 1;
        }
        fwrite(&answer, sizeof answer, 1, stdout);
        fwrite(picture, 1, row, stdout);
        if (fflush(stdout)) return 1;
    }
    return python("beside['close']()");
}

static void *thread(void *result) {
    const size_t capacity = emogene_image_bytes(EMOGENE_RGBA, side, 0);
    uint8_t *picture = malloc(capacity);
    if (picture != NULL) {
        memset(picture, 0, capacity);
        *(int *)result = serve(picture, capacity);
        free(picture);
    }
    return NULL;
}

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, emogene_last_error());
    return 1;
}

int main(int count, char **words) {
    emogene_avatar *avatar;
    emogene_open_options how = EMOGENE_OPEN_OPTIONS_INIT;
    emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
    static float samples[4096];
    pthread_t puller;
    int k, result = 1;

    if (count != 6) return failed("usage: pull ENGINE_DIR SIZE THREADS SAMPLES BESIDE");
    side = options.size = atoi(words[2]);
    row = 3 * (size_t)side;
    how.threads = atoi(words[3]);
    samples_path = words[4];
    beside = words[5];
    if (emogene_open(*words[1] ? words[1] : NULL, &how, &avatar)) return failed("open");
    for (k = 0; k < kCount; ++k) {
        FILE *from = fopen(samples_path, "rb");
        size_t got;
        if (from == NULL) return failed("samples");
        if (emogene_session_open(avatar, &options, &sessions[k])) return failed("session");
        while ((got = fread(samples, sizeof *samples, 4096, from)) > 0)
            if (emogene_push_f32(sessions[k], samples, got)) return failed("push");
        fclose(from);
        if (emogene_flush(sessions[k])) return failed("flush");
    }
    if (pthread_create(&puller, NULL, thread, &result)) return failed("thread");
    pthread_join(puller, NULL);
    return emogene_close(avatar) ? failed("close") : result;
}
