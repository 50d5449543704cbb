/* Prints where the fields of emogene_ring.h lie, a line a structure: its size, then each offset. */
#include <emogene_ring.h>
#include <stdio.h>

#define H(field) (unsigned)offsetof(emogene_ring_header, field)
#define S(field) (unsigned)offsetof(emogene_ring_slot, field)

int main(void) {
    printf("%u %u %u %u %u %u %u %u %u %u %u %u %u %u\n", (unsigned)sizeof(emogene_ring_header),
           H(magic), H(version), H(slots), H(slot_bytes), H(first_slot), H(pixels), H(width),
           H(height), H(sample_rate), H(frames_per_second), H(writer), H(written), H(state));
    printf("%u %u %u %u %u %u %u %u %u\n", (unsigned)sizeof(emogene_ring_slot), S(sequence),
           S(index), S(time), S(idle), S(emotion), S(speech_seconds), S(render_seconds), S(audio));
    return 0;
}
