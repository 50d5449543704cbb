/* local LIBRARY ENGINE_DIR: a host that knows the library only by dlopen with RTLD_LOCAL, as plugin
 * systems load things. */
#include <dlfcn.h>
#include <emogene.h>
#include <stdio.h>
#include <string.h>

/* ISO C has no cast from void * to a function; POSIX promises that the bits are the same. */
#define LOOK_UP(library, name)                                \
    do {                                                      \
        void *found = dlsym(library, #name);                  \
        if (!found) return 3;                                 \
        memcpy(&name##_, &found, sizeof found);               \
    } while (0)

int main(int count, char **arguments) {
    static float samples[6400];
    const uint8_t *pixels;
    emogene_avatar *avatar;
    emogene_session *session;
    emogene_frame *frame;
    emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
    emogene_status (*emogene_open_)(const char *, const emogene_open_options *, emogene_avatar **);
    emogene_status (*emogene_session_open_)(emogene_avatar *, const emogene_session_options *,
                                            emogene_session **);
    emogene_status (*emogene_push_f32_)(emogene_session *, const float *, size_t);
    emogene_status (*emogene_flush_)(emogene_session *);
    emogene_status (*emogene_borrow_)(emogene_session *, const uint8_t **, emogene_frame_info *,
                                      emogene_frame **);
    emogene_status (*emogene_frame_release_)(emogene_frame *);
    emogene_status (*emogene_close_)(emogene_avatar *);
    const char *(*emogene_last_error_)(void);
    int frames = 0;
    void *library = count == 3 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    if (!library) return 2;
    LOOK_UP(library, emogene_open);
    LOOK_UP(library, emogene_session_open);
    LOOK_UP(library, emogene_push_f32);
    LOOK_UP(library, emogene_flush);
    LOOK_UP(library, emogene_borrow);
    LOOK_UP(library, emogene_frame_release);
    LOOK_UP(library, emogene_close);
    LOOK_UP(library, emogene_last_error);
    options.size = 32;
    if (emogene_open_(arguments[2], NULL, &avatar) ||
        emogene_session_open_(avatar, &options, &session) ||
        emogene_push_f32_(session, samples, 6400) || emogene_flush_(session)) {
        printf("%s\n", emogene_last_error_());
        return 1;
    }
    while (!emogene_borrow_(session, &pixels, NULL, &frame)) {
        frames++;
        if (emogene_frame_release_(frame)) return 4;
    }
    printf("%d frames\n", frames);
    return emogene_close_(avatar) != EMOGENE_OK;
}
