/* embed ENGINE_DIR: renders noise and checks that the process was left as it was. */
#define _GNU_SOURCE
#include <emogene.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 32, SIGNALS = 65 };

static int failed(const char *what) {
    printf("%s: %s\n", what, emogene_last_error());
    return 1;
}

int main(int count, char **arguments) {
    struct sigaction before[SIGNALS], after;
    static int16_t samples[16000];
    static uint8_t picture[SIZE * SIZE * 3];
    emogene_avatar *avatar;
    emogene_session *session;
    emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
    emogene_status status;
    int frames = 0, i;

    if (count != 2 || emogene_abi() != EMOGENE_ABI) return 2;
    for (i = 1; i < SIGNALS; i++) sigaction(i, NULL, &before[i]);
    for (i = 0; i < 16000; i++) samples[i] = (int16_t)(7919 * i % 4001 - 2000);
    if (emogene_open(arguments[1], NULL, &avatar)) return failed("open");
    options.size = SIZE;
    if (emogene_session_open(avatar, &options, &session)) return failed("session");
    if (emogene_push_s16(session, samples, 16000)) return failed("push");
    if (emogene_flush(session)) return failed("flush");
    while (!(status = emogene_pull(session, EMOGENE_RGB, picture, sizeof picture, 0, NULL))) frames++;
    if (status != EMOGENE_NO_FRAME) return failed("pull");
    for (i = 1; i < SIGNALS; i++) {
        sigaction(i, NULL, &after);
        if (after.sa_handler != before[i].sa_handler) printf("signal %d has another handler\n", i);
    }
    printf("%d frames, locale %s\n", frames, setlocale(LC_ALL, NULL));
    /* Left open: the process must end all the same. */
    return 0;
}
