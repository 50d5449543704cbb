/* Frames of another process, read in place: what emogene-run writes to shm://NAME. Header only.
 *
 *     emogene_ring ring;
 *     const emogene_ring_slot *slot;
 *     if (emogene_ring_open(&ring, "NAME")) …                     errno tells why
 *     while (emogene_ring_wait(&ring, 1000, &slot) == EMOGENE_RING_FRAME) {
 *         use(emogene_ring_pixels(&ring, slot), slot->audio);     in place, no copy
 *         if (!emogene_ring_whole(&ring)) …                       overwritten meanwhile: throw away
 *     }
 *     emogene_ring_close(&ring);
 *
 * Layout
 *   The POSIX shared memory object /NAME, /dev/shm/NAME on Linux: an emogene_ring_header, then
 *   header.slots slots of header.slot_bytes each, the first header.first_slot bytes from the start.
 *   Frame k, counted from 0, lies in slot k % slots. A slot is an emogene_ring_slot, with height rows
 *   of width pixels of three bytes (RGB) header.pixels bytes from its start. Numbers are in the
 *   machine's byte order, header and slots begin at multiples of 64 bytes.
 *
 * Order
 *   header.written is the number of frames written so far. slot.sequence is 2 k + 1 while frame k is
 *   written into the slot and 2 k + 2 when it is whole. A reader that finds 2 k + 2 before and after
 *   it used the slot has seen frame k and nothing else.
 *
 * Speed
 *   The writer never waits: it overwrites the oldest frame. A reader that is more than slots - 1
 *   frames late goes on with the oldest that is left; ring.lost counts those it missed. Any number of
 *   readers may look; they write nothing.
 *
 * Ends
 *   A writer that ends removes the name and sets header.state; readers that have the ring open see
 *   its last frames. A writer holds flock(LOCK_EX) on the object: where it was killed the lock is
 *   free though the state still says open, readers are told EMOGENE_RING_DIED, and the next writer of
 *   that name replaces what it left. A reader that dies leaves nothing.
 */
#ifndef EMOGENE_RING_H
#define EMOGENE_RING_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMOGENE_RING_MAGIC "EMORING" /* and the 0 behind it: 8 bytes */
#define EMOGENE_RING_VERSION 1
#define EMOGENE_RING_SAMPLES 640

typedef enum emogene_ring_state {
    EMOGENE_RING_STATE_OPEN = 1,
    EMOGENE_RING_STATE_ENDED = 2,  /* the writer is done */
    EMOGENE_RING_STATE_BROKEN = 3  /* the writer gave up: an error, or Ctrl-C */
} emogene_ring_state;

typedef struct emogene_ring_header {
    char magic[8];
    uint32_t version;
    uint32_t slots;       /* at least 2 */
    uint64_t slot_bytes;  /* from one slot to the next */
    uint64_t first_slot;  /* bytes from the start of the object */
    uint32_t pixels;      /* bytes from the start of a slot */
    uint32_t width, height;
    uint32_t sample_rate; /* of the audio, Hz; 640 samples a frame */
    uint32_t frames_per_second;
    uint32_t writer;      /* process number */
    uint64_t written;     /* frames so far */
    uint64_t state;       /* emogene_ring_state */
} emogene_ring_header;

typedef struct emogene_ring_slot {
    uint64_t sequence;
    int64_t index;  /* of the frame in its session */
    double time;    /* when it is shown: seconds from the session's start */
    int32_t idle;   /* 1: nobody speaks */
    int32_t emotion; /* emogene_emotion it wears */
    double speech_seconds, render_seconds; /* spent on it */
    float audio[EMOGENE_RING_SAMPLES];     /* played while it is shown */
} emogene_ring_slot;

typedef struct emogene_ring {
    const emogene_ring_header *header;
    size_t bytes;
    int file;
    uint64_t next; /* the frame that is read next */
    uint64_t lost; /* frames that were overwritten before they were read */
} emogene_ring;

typedef enum emogene_ring_result {
    EMOGENE_RING_FRAME = 0,
    EMOGENE_RING_NOTHING = 1, /* not yet */
    EMOGENE_RING_ENDED = 2,   /* no frame will come any more */
    EMOGENE_RING_DIED = 3     /* nor now: the writer gave up or was killed */
} emogene_ring_result;

/* Begins with the oldest frame that is there. 0, or -1 with errno: ENOENT there is no writer of that
 * name, EPROTO it is something else or another version, EINVAL no name. */
static inline int emogene_ring_open(emogene_ring *ring, const char *name) {
    char path[264] = "/dev/shm/";
    struct stat about;
    void *at;
    const emogene_ring_header *header;
    const size_t length = name ? strlen(name) : 0;
    if (length == 0 || length > 250 || strchr(name, '/')) return errno = EINVAL, -1;
    memcpy(path + strlen(path), name, length + 1);
    memset(ring, 0, sizeof *ring);
    ring->file = open(path, O_RDONLY | O_CLOEXEC);
    if (ring->file < 0) return -1;
    if (fstat(ring->file, &about) != 0) goto failed;
    ring->bytes = (size_t)about.st_size;
    errno = EPROTO;
    if (!S_ISREG(about.st_mode) || ring->bytes < sizeof *header) goto failed;
    at = mmap(NULL, ring->bytes, PROT_READ, MAP_SHARED, ring->file, 0);
    if (at == MAP_FAILED) goto failed;
    ring->header = header = (const emogene_ring_header *)at;
    /* What it says of itself must fit what is there: nothing is read beyond the mapping. */
    if (memcmp(header->magic, EMOGENE_RING_MAGIC, 8) == 0 &&
        header->version == EMOGENE_RING_VERSION && header->slots >= 2 &&
        header->first_slot >= sizeof *header && header->first_slot % 64 == 0 &&
        header->slot_bytes % 64 == 0 && header->pixels >= sizeof(emogene_ring_slot) &&
        header->width > 0 && header->height > 0 && header->width <= 1 << 14 &&
        header->height <= 1 << 14 && header->first_slot <= ring->bytes &&
        header->slot_bytes >= header->pixels + (uint64_t)3 * header->width * header->height &&
        header->slot_bytes <= (ring->bytes - header->first_slot) / header->slots) {
        const uint64_t written = __atomic_load_n(&header->written, __ATOMIC_ACQUIRE);
        ring->next = written < header->slots ? 0 : written - header->slots + 1;
        return 0;
    }
    munmap(at, ring->bytes);
    errno = EPROTO;
failed:
    close(ring->file);
    ring->file = -1;
    return -1;
}

static inline void emogene_ring_close(emogene_ring *ring) {
    if (ring->file < 0) return;
    munmap((void *)(uintptr_t)ring->header, ring->bytes);
    close(ring->file);
    ring->file = -1;
}

static inline const emogene_ring_slot *emogene_ring_slot_of(const emogene_ring *ring,
                                                            uint64_t frame) {
    return (const emogene_ring_slot *)((const char *)ring->header + ring->header->first_slot +
                                       frame % ring->header->slots * ring->header->slot_bytes);
}

static inline const uint8_t *emogene_ring_pixels(const emogene_ring *ring,
                                                 const emogene_ring_slot *slot) {
    return (const uint8_t *)slot + ring->header->pixels;
}

/* Whether the frame that was read last is still the one in its slot: asked after using it. */
static inline int emogene_ring_whole(const emogene_ring *ring) {
    const emogene_ring_slot *slot = emogene_ring_slot_of(ring, ring->next - 1);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == 2 * ring->next;
}

/* Whether the writer still has its lock. */
static inline int emogene_ring_alive(const emogene_ring *ring) {
    if (flock(ring->file, LOCK_SH | LOCK_NB) != 0) return 1;
    flock(ring->file, LOCK_UN);
    return 0;
}

/* The next frame, in place, without waiting. */
static inline emogene_ring_result emogene_ring_next(emogene_ring *ring,
                                                    const emogene_ring_slot **slot) {
    /* The state first: a writer sets it after its last frame. */
    const uint64_t state = __atomic_load_n(&ring->header->state, __ATOMIC_ACQUIRE);
    for (;;) {
        const uint64_t written = __atomic_load_n(&ring->header->written, __ATOMIC_ACQUIRE);
        const uint64_t kept = ring->header->slots - 1; /* the oldest may be being overwritten */
        if (ring->next >= written) break;
        if (written - ring->next > kept) {
            ring->lost += written - kept - ring->next;
            ring->next = written - kept;
        }
        *slot = emogene_ring_slot_of(ring, ring->next);
        ring->next++;
        if (__atomic_load_n(&(*slot)->sequence, __ATOMIC_ACQUIRE) == 2 * ring->next)
            return EMOGENE_RING_FRAME;
        ring->lost++;
    }
    if (state == EMOGENE_RING_STATE_OPEN) return EMOGENE_RING_NOTHING;
    return state == EMOGENE_RING_STATE_ENDED ? EMOGENE_RING_ENDED : EMOGENE_RING_DIED;
}

/* The same, looking every millisecond for so many. EMOGENE_RING_NOTHING when they are over. */
static inline emogene_ring_result emogene_ring_wait(emogene_ring *ring, unsigned milliseconds,
                                                    const emogene_ring_slot **slot) {
    unsigned waited;
    for (waited = 0;; waited++) {
        const struct timespec pause = {0, 1000000};
        const int over = waited >= milliseconds;
        emogene_ring_result result = emogene_ring_next(ring, slot);
        if (result != EMOGENE_RING_NOTHING) return result;
        /* A frame takes 40 ms: only a longer silence is worth asking for the lock. */
        if ((over || waited % 100 == 99) && !emogene_ring_alive(ring)) {
            result = emogene_ring_next(ring, slot); /* its last may have come in between */
            return result == EMOGENE_RING_NOTHING ? EMOGENE_RING_DIED : result;
        }
        if (over) return EMOGENE_RING_NOTHING;
        nanosleep(&pause, NULL);
    }
}

#ifdef __cplusplus
}
#endif

#endif
