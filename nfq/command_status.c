/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command_status - `rcptwall status`: asks a running daemon over its control socket. */
#include "rules/command_options.h"
#include "rules/commands.h"

#include "nfq/control_ask.h"
#include "nfq/status_json.h"
#include "rules/config.h"

#include <getopt.h>
#include <stdlib.h>

#define EXIT_TROUBLE 2

static const char help_text[] =
    "Usage: rcptwall status [-c FILE] [--socket PATH] [--json]\n"
    "Asks the running daemon how it is.\n"
    "\n"
    "  -c, --config FILE   configuration that names the control socket (" CONFIG_PATH ")\n"
    "      --socket PATH   the control socket itself\n"
    "      --json          one JSON object instead of text\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 it runs, 2 it doesn't, or can't be asked.\n";

struct options {
    const char *config, *socket;
    bool json, help;
};

/* false: one line was printed. */
static bool read_options(int argc, char **argv, struct options *o)
{
    enum { OPTION_SOCKET = 256, OPTION_JSON };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    *o = (struct options){0};
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:h", known, NULL)) != -1) {
        if (c == 'c') {
            o->config = optarg;
        } else if (c == OPTION_SOCKET) {
            o->socket = optarg;
        } else if (c == OPTION_JSON) {
            o->json = true;
        } else if (c == 'h') {
            o->help = true;
            return true;
        } else {
            return command_bad_option("status", c, argv, known);
        }
    }
    return optind == argc || command_bad_argument("status", argv[optind], true);
}

int command_status(int argc, char **argv)
{
    struct options o;
    size_t len;
    if (!read_options(argc, argv, &o))
        return EXIT_TROUBLE;
    if (o.help) {
        fputs(help_text, stdout);
        return 0;
    }
    char *path = control_ask_where("status", o.socket, o.config);
    char *answer = path != NULL ? control_ask("status", path, 1, &len) : NULL;
    if (answer == NULL) {
        free(path);
        return EXIT_TROUBLE;
    }
    json_t *status = json_loadb(answer, len, JSON_REJECT_DUPLICATES, NULL);
    int result = json_is_object(status) ? 0 : EXIT_TROUBLE;
    if (result != 0)
        fprintf(stderr, "rcptwall status: %s: that is no rcptwall, or it is just stopping\n", path);
    else if (o.json)
        fwrite(answer, 1, len, stdout);
    else
        status_print(stdout, status);
    json_decref(status);
    free(answer);
    free(path);
    return result;
}
