/* SPDX-License-Identifier: MIT
 * Firmware configuration device. Owns copies of all it offers; knows nothing of their meaning. */
#include "hw/fw-cfg.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"

enum { ID_TRADITIONAL = 0x01, ID_DMA = 0x02 };
enum { KEY_WRITE = 0x4000 }; /* the old write channel: part of the selector, no meaning */
enum { FILE_SLOTS = 0x1000 };
enum {
    DMA_ERROR = 0x01,
    DMA_READ = 0x02,
    DMA_SKIP = 0x04,
    DMA_SELECT = 0x08,
    DMA_WRITE = 0x10,
};
/* Reading past an item's end gives zeros; more of them than this in one request is refused. */
enum { MAX_ZEROS = 1 << 20 };

static const uint8_t dma_signature[8] = {'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

typedef struct {
    uint8_t *data;
    GBytes *shared; /* what data belongs to; NULL: to this item */
    size_t size;
    bool writable;
    FwCfgWritten written;
    void *opaque;
} Item;

/* As the guest reads them; all integers big endian. */
typedef struct {
    uint32_t size;
    uint16_t key;
    uint16_t reserved;
    char name[FW_CFG_NAME_MAX + 1];
} FileEntry;
static_assert(sizeof(FileEntry) == 64, "guest layout");

typedef struct {
    uint32_t control;
    uint32_t length;
    uint64_t address;
} DmaRequest;
static_assert(sizeof(DmaRequest) == 16, "guest layout");

struct FwCfg {
    Device device;
    GHashTable *items; /* key -> Item */
    GArray *files;     /* FileEntry; the i-th file has key FW_CFG_FILE_FIRST + i */
    uint16_t key;      /* selected */
    uint32_t offset;   /* into the selected item */
    uint32_t dma_high; /* upper half of the request's address */
    AddressSpace *as;
};

/* ---- contents ---- */

static void item_free(void *p)
{
    Item *item = p;
    if (item->shared)
        g_bytes_unref(item->shared);
    else
        g_free(item->data);
    g_free(item);
}

static Item *fw_cfg_item(const FwCfg *fw, uint16_t key)
{
    return g_hash_table_lookup(fw->items, GUINT_TO_POINTER(key & (unsigned)~KEY_WRITE));
}

static Item *fw_cfg_put(FwCfg *fw, uint16_t key, void *data, size_t size)
{
    Item *item = g_new0(Item, 1);

    g_assert(size <= UINT32_MAX && !(key & KEY_WRITE));
    item->data = data;
    item->size = size;
    g_hash_table_replace(fw->items, GUINT_TO_POINTER(key), item);
    return item;
}

void fw_cfg_add_bytes(FwCfg *fw, uint16_t key, const void *data, size_t size)
{
    fw_cfg_put(fw, key, g_memdup2(data, size), size);
}

/* Never writable: nobody writes through the item's pointer. */
void fw_cfg_add_shared(FwCfg *fw, uint16_t key, GBytes *bytes)
{
    size_t size;
    gconstpointer data = g_bytes_get_data(bytes, &size);
    fw_cfg_put(fw, key, (void *)(uintptr_t)data, size)->shared = g_bytes_ref(bytes);
}

void fw_cfg_add_u16(FwCfg *fw, uint16_t key, uint16_t value)
{
    value = GUINT16_TO_LE(value);
    fw_cfg_add_bytes(fw, key, &value, sizeof(value));
}

void fw_cfg_add_u32(FwCfg *fw, uint16_t key, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    fw_cfg_add_bytes(fw, key, &value, sizeof(value));
}

void fw_cfg_add_u64(FwCfg *fw, uint16_t key, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    fw_cfg_add_bytes(fw, key, &value, sizeof(value));
}

static void fw_cfg_update_directory(FwCfg *fw)
{
    size_t size = sizeof(uint32_t) + fw->files->len * sizeof(FileEntry);
    uint8_t *data = g_malloc(size);
    uint32_t count = GUINT32_TO_BE(fw->files->len);

    memcpy(data, &count, sizeof(count));
    if (fw->files->len)
        memcpy(data + sizeof(count), fw->files->data, fw->files->len * sizeof(FileEntry));
    fw_cfg_put(fw, FW_CFG_FILE_DIR, data, size);
}

static FileEntry *fw_cfg_find_file(const FwCfg *fw, const char *name)
{
    for (guint i = 0; i < fw->files->len; i++) {
        FileEntry *entry = &g_array_index(fw->files, FileEntry, i);
        if (strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

static Item *fw_cfg_put_file(FwCfg *fw, const char *name, void *data, size_t size)
{
    FileEntry *entry = fw_cfg_find_file(fw, name);

    if (!entry) {
        FileEntry fresh = {0};
        g_assert(strlen(name) <= FW_CFG_NAME_MAX && fw->files->len < FILE_SLOTS);
        fresh.key = GUINT16_TO_BE((uint16_t)(FW_CFG_FILE_FIRST + fw->files->len));
        g_strlcpy(fresh.name, name, sizeof(fresh.name));
        g_array_append_val(fw->files, fresh);
        entry = &g_array_index(fw->files, FileEntry, fw->files->len - 1);
    }
    entry->size = GUINT32_TO_BE((uint32_t)size);
    fw_cfg_update_directory(fw);
    return fw_cfg_put(fw, GUINT16_FROM_BE(entry->key), data, size);
}

void fw_cfg_add_file(FwCfg *fw, const char *name, const void *data, size_t size)
{
    fw_cfg_put_file(fw, name, g_memdup2(data, size), size);
}

void fw_cfg_add_writable_for_test(FwCfg *fw, const char *name, const void *data, size_t size,
                                  FwCfgWritten written, void *opaque)
{
    Item *item = fw_cfg_put_file(fw, name, g_memdup2(data, size), size);
    item->writable = true;
    item->written = written;
    item->opaque = opaque;
}

const void *fw_cfg_file_data(const FwCfg *fw, const char *name, size_t *size)
{
    const FileEntry *entry = fw_cfg_find_file(fw, name);
    const Item *item = entry ? fw_cfg_item(fw, GUINT16_FROM_BE(entry->key)) : NULL;

    if (!item)
        return NULL;
    *size = item->size;
    return item->data;
}

/* ---- selector and data port ---- */

static void fw_cfg_select(FwCfg *fw, uint16_t key)
{
    fw->key = key;
    fw->offset = 0;
}

static uint8_t fw_cfg_read_byte(FwCfg *fw)
{
    const Item *item = fw_cfg_item(fw, fw->key);

    if (!item || fw->offset >= item->size)
        return 0;
    return item->data[fw->offset++];
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)fw_cfg_read_byte(opaque) << i * 8;
    return value;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == 0 && size == 2)
        fw_cfg_select(opaque, (uint16_t)value);
    else
        log_guest_error("fw_cfg: %u byte write to port %03xh ignored", size,
                        0x510 + (unsigned)offset);
}

/* ---- DMA ---- */

static bool dma_read(FwCfg *fw, const Item *item, gpa_t address, uint32_t length)
{
    static const uint8_t zeros[4096];
    size_t left = item && fw->offset < item->size ? item->size - fw->offset : 0;
    uint32_t n = (uint32_t)MIN(left, length);

    if (length - n > MAX_ZEROS)
        return false;
    if (n && !address_space_dma_write(fw->as, address, item->data + fw->offset, n))
        return false;
    fw->offset += n;
    for (uint32_t done = n; done < length;) {
        uint32_t step = MIN(length - done, (uint32_t)sizeof(zeros));
        if (!address_space_dma_write(fw->as, address + done, zeros, step))
            return false;
        done += step;
    }
    return true;
}

static bool dma_write(FwCfg *fw, Item *item, gpa_t address, uint32_t length)
{
    if (!item || !item->writable || fw->offset > item->size || length > item->size - fw->offset)
        return false;
    if (!address_space_dma_read(fw->as, address, item->data + fw->offset, length))
        return false;
    if (item->written)
        item->written(item->opaque, fw->offset, length);
    fw->offset += length;
    return true;
}

static bool dma_execute(FwCfg *fw, uint32_t control, uint32_t length, gpa_t address)
{
    if (control & DMA_SELECT)
        fw_cfg_select(fw, (uint16_t)(control >> 16));
    Item *item = fw_cfg_item(fw, fw->key);
    if (control & DMA_READ)
        return dma_read(fw, item, address, length);
    if (control & DMA_WRITE)
        return dma_write(fw, item, address, length);
    if (control & DMA_SKIP)
        fw->offset = length > UINT32_MAX - fw->offset ? UINT32_MAX : fw->offset + length;
    return true;
}

static void dma_start(FwCfg *fw, gpa_t where)
{
    DmaRequest request;

    if (!address_space_dma_read(fw->as, where, &request, sizeof(request))) {
        log_guest_error("fw_cfg: DMA request outside RAM at %" G_GINT64_MODIFIER "x", where);
        return;
    }
    bool ok = dma_execute(fw, GUINT32_FROM_BE(request.control), GUINT32_FROM_BE(request.length),
                          GUINT64_FROM_BE(request.address));
    uint32_t status = GUINT32_TO_BE(ok ? 0u : (uint32_t)DMA_ERROR);
    address_space_dma_write(fw->as, where, &status, sizeof(status));
}

static uint64_t dma_port_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)dma_signature[(offset + i) & 7] << i * 8;
    return value;
}

/* The address is big endian: the upper half comes first, the lower half starts the transfer. */
static void dma_port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    FwCfg *fw = opaque;

    if (size == 4 && offset == 0) {
        fw->dma_high = GUINT32_FROM_BE((uint32_t)value);
    } else if (size == 4 && offset == 4) {
        gpa_t where = (gpa_t)fw->dma_high << 32 | GUINT32_FROM_BE((uint32_t)value);
        fw->dma_high = 0;
        dma_start(fw, where);
    } else {
        log_guest_error("fw_cfg: %u byte write to port %03xh ignored", size,
                        0x514 + (unsigned)offset);
    }
}

/* ---- device ---- */

static void fw_cfg_reset(Device *device)
{
    FwCfg *fw = (FwCfg *)device;

    fw_cfg_select(fw, FW_CFG_SIGNATURE);
    fw->dma_high = 0;
}

static void fw_cfg_free(Device *device)
{
    FwCfg *fw = (FwCfg *)device;

    g_hash_table_destroy(fw->items);
    g_array_free(fw->files, TRUE);
    g_free(fw);
}

static void fw_cfg_info(Device *device, GString *out)
{
    const FwCfg *fw = (const FwCfg *)device;

    for (guint i = 0; i < fw->files->len; i++) {
        const FileEntry *entry = &g_array_index(fw->files, FileEntry, i);
        g_string_append_printf(out, "%04x %8u %s\n", GUINT16_FROM_BE(entry->key),
                               GUINT32_FROM_BE(entry->size), entry->name);
    }
}

static const StateField fw_cfg_state[] = {
    STATE(FwCfg, key),
    STATE(FwCfg, offset),
    STATE(FwCfg, dma_high),
    STATE_END,
};

static const DeviceClass fw_cfg_class = {
    .name = "fw_cfg",
    .description = "firmware configuration device",
    .reset = fw_cfg_reset,
    .free = fw_cfg_free,
    .state = fw_cfg_state,
    .info = fw_cfg_info,
};

static const RegionOps port_ops = {port_read, port_write, 1, 2};
static const RegionOps dma_ops = {dma_port_read, dma_port_write, 1, 4};

FwCfg *fw_cfg_new(const DeviceBus *bus)
{
    FwCfg *fw = device_register(bus, &fw_cfg_class, sizeof(*fw));

    fw->as = bus->as;
    fw->items = g_hash_table_new_full(NULL, NULL, NULL, item_free);
    fw->files = g_array_new(FALSE, FALSE, sizeof(FileEntry));
    fw_cfg_add_bytes(fw, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(fw, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    fw_cfg_update_directory(fw);
    address_space_add_io(bus->as, "fw-cfg", 0x510, 2, 0, &port_ops, fw);
    address_space_add_io(bus->as, "fw-cfg-dma", 0x514, 8, 0, &dma_ops, fw);
    return fw;
}
