/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay_main - runs a fuzz target over stored inputs without a fuzzer, so that
 * the corpus is a test with any compiler. Each input runs twice, to catch state
 * that survives a run, each time in a block of exactly its size, so that an
 * address sanitizer sees the first byte too many.
 *
 * usage: fuzz_NAME_replay FILE-OR-FOLDER...
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Absent without a sanitizer. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*)(void));

static const char *running = "(none)";

/* A target that ends the process says by assert why; this says with which input. */
static void tell_input(void)
{
    static const char intro[] = "replay: ended in ";
    ssize_t put = write(STDERR_FILENO, intro, sizeof(intro) - 1);

    put += write(STDERR_FILENO, running, strlen(running));
    put += write(STDERR_FILENO, "\n", 1);
    (void)put;
}

static void on_signal(int number)
{
    tell_input();
    raise(number); /* SA_RESETHAND: ends it the way it would have ended */
}

static void tell_input_at_death(void)
{
    static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(tell_input);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        if (__sanitizer_set_death_callback == NULL || deadly[i] == SIGABRT)
            (void)sigaction(deadly[i], &action, NULL);
    }
}

static void run_bytes(const uint8_t *data, size_t size)
{
    for (int round = 0; round < 2; round++) {
        uint8_t *copy = malloc(size);
        if (size > 0) {
            if (copy == NULL)
                exit(2);
            memcpy(copy, data, size);
        }
        (void)LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
}

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        if (file != NULL)
            fclose(file);
        return false;
    }

    long size = ftell(file);
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1);
    rewind(file);
    bool good = data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (good) {
        running = path;
        run_bytes(data, (size_t)size);
    } else {
        fprintf(stderr, "replay: %s: cannot be read\n", path);
    }
    free(data);
    return good;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Counts the inputs that ran; false if one could not be read. */
static bool run_folder(const char *path, unsigned *inputs)
{
    struct dirent **entries;
    int count = scandir(path, &entries, not_hidden, alphasort);
    bool good = count >= 0;

    if (!good)
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *name;
        if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
            exit(2);
        good = run_file(name) && good;
        (*inputs)++;
        running = "(none)";
        free(name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good;
}

int main(int argc, char **argv)
{
    unsigned inputs = 0;
    bool good = argc > 1;

    if (!good)
        fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
    tell_input_at_death();
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            good = run_folder(argv[i], &inputs) && good;
        } else {
            good = run_file(argv[i]) && good;
            inputs++;
        }
    }
    if (good)
        printf("%u inputs, each twice\n", inputs);
    return good ? 0 : 2;
}
