/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 64
#define ROWS_MAX    4096

struct oracle {
    char *text;
    size_t columns, rows;
    const char *cells[ROWS_MAX + 1][COLUMNS_MAX]; /* [0]: the names */
};

const char *const oracle_servers[ORACLE_SERVERS] = {
    "postfix",  "exim",    "exim_worst", "opensmtpd",     "sendmail", "courier",
    "aiosmtpd", "pysmtpd", "haraka",     "haraka_postel", "qpsmtpd",
};

static void broken(const char *what)
{
    fprintf(stderr, "support_oracle: %s\n", what);
    abort();
}

static char *slurp(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "pcap-tests/oracle/%s", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    size_t room = 4 << 20;
    char *text = malloc(room);
    if (text == NULL)
        broken("out of memory");
    size_t n = fread(text, 1, room - 1, f);
    fclose(f);
    text[n] = 0;
    return text;
}

struct oracle *oracle_open(const char *name)
{
    char *text = slurp(name);
    if (text == NULL)
        return NULL;
    struct oracle *o = calloc(1, sizeof(*o));
    if (o == NULL)
        broken("out of memory");
    o->text = text;
    size_t row = 0;
    while (*text != 0) {
        char *end = strchr(text, '\n');
        if (end != NULL)
            *end = 0;
        if (row > ROWS_MAX)
            broken("too many rows");
        size_t column = 0;
        for (char *cell = text; cell != NULL; column++) {
            if (column == COLUMNS_MAX)
                broken("too many columns");
            char *tab = strchr(cell, '\t');
            if (tab != NULL)
                *tab = 0;
            o->cells[row][column] = cell;
            cell = tab != NULL ? tab + 1 : NULL;
        }
        if (row == 0)
            o->columns = column;
        row++;
        if (end == NULL)
            break;
        text = end + 1;
    }
    o->rows = row > 0 ? row - 1 : 0;
    return o;
}

void oracle_close(struct oracle *o)
{
    free(o->text);
    free(o);
}

size_t oracle_rows(const struct oracle *o)
{
    return o->rows;
}

const char *oracle_cell(const struct oracle *o, size_t row, const char *column)
{
    for (size_t i = 0; i < o->columns; i++)
        if (strcmp(o->cells[0][i], column) == 0)
            return o->cells[row + 1][i] != NULL ? o->cells[row + 1][i] : "";
    broken(column);
    return "";
}

const char *oracle_server_cell(const struct oracle *o, size_t row, const char *server, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%s", server, suffix);
    return oracle_cell(o, row, name);
}

bool oracle_lists(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == 0))
            return true;
    }
    return false;
}
