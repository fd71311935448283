/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options - replay's command line, and the configuration that it adds up to. */
#ifndef RCPTWALL_REPLAY_OPTIONS_H
#define RCPTWALL_REPLAY_OPTIONS_H

#include "rules/config.h"

#define JOBS_MOST         64
#define MAX_FLOWS_DEFAULT (UINT32_C(1) << 20)
#define MAX_FLOWS_MOST    (UINT32_C(1) << 24)

struct replay_options {
    struct config config; /* sealed */
    enum csum_state csum;
    bool guard;        /* judge as the daemon does that enforces: with verdicts */
    const char *write; /* where to write what would have been forwarded; NULL: nowhere */
    bool json, verbose;
    size_t rows;
    uint32_t max_flows; /* connections that are known at one time */
    int jobs; /* how many threads may judge */
    char **files;
    int file_count;
};

enum options_result {
    OPTIONS_GO = 1,
    OPTIONS_HELP,    /* --help was printed: nothing more to do */
    OPTIONS_TROUBLE, /* said on stderr */
};

/* Only after OPTIONS_GO there is something to free. */
RW_CHECK enum options_result options_read(int argc, char **argv, struct replay_options *out);
void options_free(struct replay_options *);

/* One line on stderr, in the program's voice. */
__attribute__((format(printf, 1, 2))) void replay_complain(const char *format, ...);

#endif
