/* SPDX-License-Identifier: MIT */
#include "tests/oracle/bare.h"

#include "translator/x86/cpu-priv.h"

bool bare_init(Bare *bare, const BareRam *rams, unsigned count, const CpuModel *model,
               const EngineOptions *options, GError **error)
{
    uint32_t size = 0;
    for (unsigned i = 0; i < count; i++)
        size += rams[i].size;
    bare->ram = ram_new(size, error);
    if (!bare->ram)
        return false;
    bare->as = address_space_new(bare->ram);
    for (unsigned i = 0; i < count; i++) {
        ram_off_t offset = ram_alloc(bare->ram, rams[i].name, rams[i].size);
        address_space_add_ram(bare->as, rams[i].name, rams[i].base, rams[i].size, 0, offset);
        bare->hva[i] = ram_hva(bare->ram, offset);
    }
    bare->cpu = cpu_new(bare->as, model, NULL, error);
    if (!bare->cpu)
        return false;
    bare->ops = x86_guest_ops;
    bare->cpu->v.guest = &bare->ops;
    bare->engine = engine_new(&bare->cpu->v, bare->as, options, error);
    return bare->engine != NULL;
}

void bare_free(Bare *bare)
{
    if (bare->engine)
        engine_free(bare->engine);
    cpu_free(bare->cpu);
    if (bare->as)
        address_space_free(bare->as);
    if (bare->ram)
        ram_free(bare->ram);
    *bare = (Bare){0};
}
