/* EmoGene from C: speech and an emotion go in, pictures of a talking head come out.
 *
 *     emogene_avatar *avatar;
 *     emogene_session *session;
 *     emogene_open(NULL, NULL, &avatar);                       NULL: the built-in avatar, defaults
 *     emogene_session_open(avatar, NULL, &session);
 *     emogene_push_s16(session, samples, count);
 *     emogene_flush(session);
 *     while (emogene_pull(session, EMOGENE_RGB, picture, sizeof picture, 0, NULL) == EMOGENE_OK) …
 *     emogene_session_close(session);
 *     emogene_close(avatar);
 *
 * Lifetimes
 *   Handles are numbers in disguise and never followed: one that was closed, or never was one, is
 *   answered with a status, whatever it holds. Closing NULL or closing twice does nothing.
 *   emogene_session_close waits for a call that runs on the session in another thread, then frees
 *   all it holds: when it returns, nothing writes into your memory any more.
 *   emogene_close does the same with all sessions of the avatar first. Their handles answer
 *   EMOGENE_CLOSED from then on; closing them is allowed and not needed.
 *   A borrowed frame outlives its session and its avatar: it is yours until emogene_frame_release.
 *   Strings and structures you hand in are read during the call only. Strings that are returned
 *   live as long as the process; emogene_last_error's until the thread's next failing call.
 *   The engine directory is code: open only directories you trust.
 *
 * Threads
 *   Every function may be called from any thread, also from threads Python never heard of. Calls on
 *   one session wait for one another; sessions run side by side. Python's lock is taken inside the
 *   calls, and once more when a thread ends that has called: who holds that lock may not wait for
 *   such a thread. After the first call do not fork without exec.
 *
 * Python
 *   The library runs the package it was installed with, in this process: the first call loads
 *   libpython and starts it, isolated from PYTHON… variables, without signal handlers, and leaves it
 *   running to the end of the process. A process that runs Python already lends its own; the package
 *   must be installed there. When that process ends, Python's end waits up to ten seconds for calls
 *   that run; later ones get EMOGENE_UNAVAILABLE. Nothing is printed and nothing exits.
 *
 * Errors
 *   No exception and no signal leaves the library. Every function that can fail returns a status and
 *   leaves a line of text for its thread, see emogene_last_error; results are untouched then.
 *
 * Structures begin with struct_size, set by their …_INIT. Later versions only append fields, so a
 * program keeps working with a newer library: what its structures lack is the default, and what it
 * has no room for is not written. 0 in a field always means the default.
 */
#ifndef EMOGENE_H
#define EMOGENE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMOGENE_ABI 1
#define EMOGENE_API __attribute__((visibility("default")))

#define EMOGENE_SAMPLE_RATE 16000     /* of a frame's audio, and of what is pushed by default */
#define EMOGENE_FRAMES_PER_SECOND 25
#define EMOGENE_SAMPLES_PER_FRAME 640

typedef struct emogene_avatar emogene_avatar;
typedef struct emogene_session emogene_session;
typedef struct emogene_frame emogene_frame;

typedef enum emogene_status {
    EMOGENE_OK = 0,
    EMOGENE_NO_FRAME = 1,    /* not an error: push or flush first */
    EMOGENE_BAD_INPUT = 2,   /* something handed in is at fault; changing it helps */
    EMOGENE_UNAVAILABLE = 3, /* this machine or installation lacks something */
    EMOGENE_FAILURE = 4,     /* we failed; report the message */
    EMOGENE_CLOSED = 5,      /* the handle was closed, or its avatar was */
    EMOGENE_NO_MEMORY = 6
} emogene_status;

typedef enum emogene_format {
    EMOGENE_RGB = 0,  /* 3 bytes a pixel */
    EMOGENE_RGBA = 1, /* 4 bytes a pixel, alpha 255 */
    EMOGENE_NV12 = 2  /* BT.709, limited range: height rows of Y, then height / 2 rows of Cb, Cr pairs,
                         each the mean of 2 × 2 pixels; the size must be even */
} emogene_format;

typedef enum emogene_emotion {
    EMOGENE_ANGRY = 0,
    EMOGENE_CONTEMPT = 1,
    EMOGENE_DISGUST = 2,
    EMOGENE_FEAR = 3,
    EMOGENE_HAPPY = 4,
    EMOGENE_NEUTRAL = 5,
    EMOGENE_SAD = 6,
    EMOGENE_SURPRISE = 7
} emogene_emotion;

/* EMOGENE_ABI the library was built with. */
EMOGENE_API int32_t emogene_abi(void);

/* Version of the package, such as "0.1.0". */
EMOGENE_API const char *emogene_version(void);

/* What the last call that failed in this thread has to say, one line of UTF-8 that names the thing,
 * what was expected, what was found and the remedy. "" before the first. */
EMOGENE_API const char *emogene_last_error(void);

/* "happy" for EMOGENE_HAPPY; NULL for a number that is no emotion. */
EMOGENE_API const char *emogene_emotion_name(int32_t emotion);

/* Bytes of a picture, size pixels square, in rows of stride bytes; stride 0: without gaps.
 * 0 if there is no such format, the stride is too short, or the size is not one (NV12: odd). */
EMOGENE_API size_t emogene_image_bytes(emogene_format format, int32_t size, size_t stride);

/* ---- Python ------------------------------------------------------------------------------- */

typedef struct emogene_start_options {
    uint32_t struct_size;
    uint32_t reserved;
    const char *venv;      /* environment that holds the package. NULL: $EMOGENE_VENV, else the one
                              this library lies in */
    const char *libpython; /* its libpython3.x.so. NULL: $EMOGENE_LIBPYTHON, else found from venv */
} emogene_start_options;
#define EMOGENE_START_OPTIONS_INIT {sizeof(emogene_start_options), 0, NULL, NULL}

/* Start Python now, where emogene_open would do it with the defaults: takes a fraction of a second.
 * Once started it stays; another venv is refused then. */
EMOGENE_API emogene_status emogene_start(const emogene_start_options *options);

/* ---- Avatars ------------------------------------------------------------------------------ */

typedef struct emogene_open_options {
    uint32_t struct_size;
    int32_t threads;      /* processor threads in all; 0: all the process may run on */
    const char *backend;  /* NULL: "auto"; "onnxruntime", "tensorrt", "tensorrt-rtx" */
    const char *renderer; /* NULL: "auto"; "gpu", "fused", "wavefront" */
    int32_t strict;       /* not 0: an error instead of any fallback */
    int32_t max_sessions; /* open at once; 0: any number; EMOGENE_AUTO: as many as 25 FPS allow */
    /* Not in the first version: */
    const char *marching;   /* NULL: "rays"; "authors", as the published inference paints */
    const char *precisions; /* NULL: float32; stages that run in another on ONNX Runtime, such as
                               "hubert=int8,density=float16"; the directory must hold them */
} emogene_open_options;
#define EMOGENE_OPEN_OPTIONS_INIT {sizeof(emogene_open_options), 0, NULL, NULL, 0, 0, NULL, NULL}

/* max_sessions: a live session is refused that would leave all of them less than 25 frames a second,
 * going by the frames measured so far. */
#define EMOGENE_AUTO (-1)

/* Open an engine directory; path NULL is the built-in avatar, options NULL the defaults. */
EMOGENE_API emogene_status emogene_open(const char *path, const emogene_open_options *options,
                                        emogene_avatar **avatar);

/* Close the avatar and its sessions; waits for calls that run on them. */
EMOGENE_API emogene_status emogene_close(emogene_avatar *avatar);

/* ---- Sessions ----------------------------------------------------------------------------- */

typedef struct emogene_session_options {
    uint32_t struct_size;
    int32_t size;         /* side of the pictures, pixels; 0: the avatar's own */
    uint64_t seed;        /* the same seed and samples give the same frames, bit by bit */
    const char *emotion;  /* worn from the start; NULL: "neutral" */
    float intensity;      /* above 0, to 1.5; 1 as trained, which 0 stands for: neutral is "neutral" */
    int32_t sample_rate;  /* of what is pushed, Hz; 0: EMOGENE_SAMPLE_RATE */
    const char *profile;  /* NULL: "offline", whose frames come after emogene_flush; "live" */
    const char *quality;  /* NULL: the profile's; "fast", "balanced", "exact" */
    const char *idle;     /* NULL: "tolerant"; "strict" */
} emogene_session_options;
#define EMOGENE_SESSION_OPTIONS_INIT \
    {sizeof(emogene_session_options), 0, 0, NULL, 0.0f, 0, NULL, NULL, NULL}

EMOGENE_API emogene_status emogene_session_open(emogene_avatar *avatar,
                                                const emogene_session_options *options,
                                                emogene_session **session);

/* Close the session; waits for a call that runs on it. */
EMOGENE_API emogene_status emogene_session_close(emogene_session *session);

/* Side of the session's pictures, pixels; they are square. */
EMOGENE_API emogene_status emogene_session_size(emogene_session *session, int32_t *size);

/* Store mono samples; they are copied. float: in [-1, 1]. Frames are computed when pulled. */
EMOGENE_API emogene_status emogene_push_s16(emogene_session *session, const int16_t *samples,
                                            size_t count);
EMOGENE_API emogene_status emogene_push_f32(emogene_session *session, const float *samples,
                                            size_t count);

/* End the utterance; its last frame is filled up with silence. */
EMOGENE_API emogene_status emogene_flush(emogene_session *session);

/* Drop what was pushed and not shown yet; seconds, unless NULL, gets how much that was. */
EMOGENE_API emogene_status emogene_interrupt(emogene_session *session, double *seconds);

/* Wear another emotion from the next pushed sample on.
 * intensity: 0 is neutral, 1 as trained, 1.5 the most; negative keeps the one set last.
 * over: seconds of the fade; negative is the profile's. */
EMOGENE_API emogene_status emogene_set_emotion(emogene_session *session, const char *emotion,
                                               double intensity, double over);

typedef struct emogene_stats {
    uint32_t struct_size;
    int32_t ready;              /* frames that can be pulled now */
    int64_t frames;             /* pulled so far */
    double held_seconds;        /* of audio in memory */
    double first_frame_seconds; /* from the first push to the first frame's end; -1 before it */
    double speech_seconds;      /* spent on hearing and motion */
    double render_seconds;      /* spent on pictures */
    double dropped_seconds;     /* of audio that interruptions dropped */
    int64_t interrupts;
    /* Not in the first version: */
    double waited_seconds; /* spent on waiting for other sessions' frames */
} emogene_stats;
#define EMOGENE_STATS_INIT {sizeof(emogene_stats), 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0}

EMOGENE_API emogene_status emogene_session_stats(emogene_session *session, emogene_stats *stats);

/* ---- Frames ------------------------------------------------------------------------------- */

typedef struct emogene_frame_info {
    uint32_t struct_size;
    int32_t size;          /* side of the picture, pixels */
    int64_t index;         /* in the session, from 0 */
    double time;           /* when it is shown: seconds from the session's start */
    int32_t idle;          /* 1: nobody speaks */
    int32_t emotion;       /* emogene_emotion it wears */
    double speech_seconds; /* spent on hearing and motion for it; a hop's first frame pays for all */
    double render_seconds; /* spent on the picture */
    float audio[EMOGENE_SAMPLES_PER_FRAME]; /* played while it is shown */
} emogene_frame_info;
#define EMOGENE_FRAME_INFO_INIT {sizeof(emogene_frame_info), 0, 0, 0.0, 0, 0, 0.0, 0.0, {0.0f}}

/* Compute the next frame into your memory: capacity bytes at pixels, rows of stride bytes (0:
 * without gaps). info may be NULL. EMOGENE_NO_FRAME if more must be pushed or flushed first.
 * A buffer that is too small is refused before anything is computed; no frame is lost. */
EMOGENE_API emogene_status emogene_pull(emogene_session *session, emogene_format format,
                                        void *pixels, size_t capacity, size_t stride,
                                        emogene_frame_info *info);

/* The same without a copy: *pixels are RGB rows without gaps, yours to read until
 * emogene_frame_release(*frame). */
EMOGENE_API emogene_status emogene_borrow(emogene_session *session, const uint8_t **pixels,
                                          emogene_frame_info *info, emogene_frame **frame);
EMOGENE_API emogene_status emogene_frame_release(emogene_frame *frame);

#ifdef __cplusplus
}
#endif

#endif
