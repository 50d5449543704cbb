/* read_ring NAME [SECONDS]: tells of each frame that emogene-run -o shm://NAME shows.
 *
 *     cc -std=gnu99 examples/ring_reader/read_ring.c -o read_ring $(emogene-config --cflags)
 *     ./read_ring head & emogene-run speech.wav -o shm://head
 *
 * Waits SECONDS (10) for the writer, and as long for each frame. Pictures and sound are used where
 * they lie; nothing is copied.
 */
#include <emogene_ring.h>
#include <stdio.h>
#include <stdlib.h>

static int open_within(emogene_ring *ring, const char *name, double seconds) {
    const struct timespec pause = {0, 10000000};
    for (; emogene_ring_open(ring, name) != 0; seconds -= 0.01) {
        if (errno != ENOENT || seconds <= 0) return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

int main(int count, char **words) {
    const double seconds = count > 2 ? atof(words[2]) : 10;
    emogene_ring ring;
    const emogene_ring_slot *slot;
    emogene_ring_result result;
    long torn = 0;

    if (count < 2 || open_within(&ring, words[1], seconds) != 0) {
        fprintf(stderr, "error: shm://%s: %s\n", count < 2 ? "" : words[1], strerror(errno));
        return 2;
    }
    while (!(result = emogene_ring_wait(&ring, (unsigned)(1000 * seconds), &slot))) {
        const uint8_t *pixels = emogene_ring_pixels(&ring, slot);
        const size_t bytes = (size_t)3 * ring.header->width * ring.header->height;
        const long index = (long)slot->index;
        const double time = slot->time;
        uint64_t sum = 0;
        double loudest = 0;
        size_t i;
        for (i = 0; i < bytes; i++) sum += pixels[i];
        for (i = 0; i < EMOGENE_RING_SAMPLES; i++) {
            const double level = slot->audio[i] < 0 ? -slot->audio[i] : slot->audio[i];
            if (level > loudest) loudest = level;
        }
        if (!emogene_ring_whole(&ring)) { /* the writer came by while we looked */
            torn++;
            continue;
        }
        printf("frame %ld, %.2f s, %u x %u, sum %llu, peak %.5f\n", index, time,
               ring.header->width, ring.header->height, (unsigned long long)sum, loudest);
        fflush(stdout);
    }
    printf("%s, %llu lost\n",
           result == EMOGENE_RING_ENDED  ? "ended"
           : result == EMOGENE_RING_DIED ? "the writer died"
                                         : "nothing more came",
           (unsigned long long)ring.lost + torn);
    emogene_ring_close(&ring);
    return result != EMOGENE_RING_ENDED;
}
