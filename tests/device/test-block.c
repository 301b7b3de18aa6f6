/* SPDX-License-Identifier: MIT
 * Disk images: opening, refusing, snapshot. */
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "hw/block/block.h"

static char *make_image(const void *bytes, size_t count)
{
    char *path = NULL;
    int fd = g_file_open_tmp("dbtvm-block-XXXXXX", &path, NULL);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, count), (ssize_t)count);
    close(fd);
    return path;
}

static void remove_image(char *path)
{
    g_unlink(path);
    g_free(path);
}

static void assert_refused(const char *path, const BlockOptions *options, const char *text)
{
    GError *error = NULL;
    cr_assert_null(block_open(path, options, &error));
    cr_assert_not_null(strstr(error->message, text), "%s", error->message);
    g_error_free(error);
}

Test(block, writes_and_reads_back)
{
    static uint8_t image[10000];
    char *path = make_image(image, sizeof(image));
    Block *block = block_open(path, &(BlockOptions){0}, NULL);
    cr_assert_eq(block_size(block), 10240);
    uint8_t buffer[512];
    memset(buffer, 0xa5, sizeof(buffer));
    cr_assert_eq(block_write(block, 512, buffer, 512), 0);
    memset(buffer, 1, sizeof(buffer));
    cr_assert_eq(block_read(block, 9728, buffer, 512), 0); /* the odd tail is zero */
    cr_assert_eq(buffer[511], 0);
    cr_assert_eq(block_read(block, 512, buffer, 512), 0);
    cr_assert_eq(buffer[511], 0xa5);
    cr_assert_eq(block_read(block, 10240, buffer, 512), EINVAL);
    cr_assert_eq(block_write(block, UINT64_MAX - 100, buffer, 512), EINVAL);
    cr_assert_eq(block_flush(block), 0);
    block_free(block);
    remove_image(path);
}

Test(block, refuses_what_is_no_raw_disk)
{
    BlockOptions options = {0};
    char *empty = make_image("", 0);
    char *qcow2 = make_image("QFI\xfb\0\0\0\3", 8);
    assert_refused(empty, &options, "empty");
    assert_refused(qcow2, &options, "qcow2");
    assert_refused("/", &options, "directory");
    assert_refused("/nonexistent/x", &options, "No such file");
    assert_refused("/dev/null", &options, "neither a file nor a disk");
    remove_image(empty);
    remove_image(qcow2);
}

Test(block, locks_out_a_second_writer)
{
    BlockOptions rw = {0}, ro = {.read_only = true};
    char *path = make_image("x", 1);
    Block *first = block_open(path, &rw, NULL);
    assert_refused(path, &rw, "in use");
    assert_refused(path, &ro, "in use");
    block_free(first);
    Block *reader = block_open(path, &ro, NULL);
    Block *second = block_open(path, &(BlockOptions){.snapshot = true}, NULL);
    cr_assert(reader && second);
    cr_assert_eq(block_write(reader, 0, "y", 1), EROFS);
    block_free(reader);
    block_free(second);
    remove_image(path);
}

Test(block, snapshot_matches_a_model_and_spares_the_image)
{
    enum { SIZE = 64 * 1024 + 512 };
    static uint8_t image[SIZE], model[SIZE], buffer[SIZE];
    GRand *rand = g_rand_new_with_seed(7);
    for (int i = 0; i < SIZE; i++)
        image[i] = model[i] = (uint8_t)g_rand_int(rand);
    char *path = make_image(image, SIZE);
    Block *block = block_open(path, &(BlockOptions){.snapshot = true}, NULL);
    for (int i = 0; i < 300; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, SIZE);
        uint64_t size = (uint64_t)g_rand_int_range(rand, 0, (gint32)MIN(SIZE - at, 9000) + 1);
        memset(buffer, i, size);
        memset(model + at, i, size);
        cr_assert_eq(block_write(block, at, buffer, size), 0);
        cr_assert_eq(block_read(block, 0, buffer, SIZE), 0);
        cr_assert_arr_eq(buffer, model, SIZE);
    }
    block_free(block);
    char *bytes = NULL;
    gsize length = 0;
    cr_assert(g_file_get_contents(path, &bytes, &length, NULL));
    cr_assert_eq(length, SIZE);
    cr_assert_arr_eq(bytes, image, SIZE);
    g_free(bytes);
    g_rand_free(rand);
    remove_image(path);
}
