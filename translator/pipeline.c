/* SPDX-License-Identifier: MIT */
#include "translator/pipeline.h"

#include "translator/passes/passes.h"

typedef struct {
    const char *name;
    void (*run)(IrBlock *block);
    bool optional;
} Pass;

static const Pass passes[] = {
#define PASS(name, optional) {#name, pass_##name, optional},
#include "translator/passes/pass-list.def"
#undef PASS
};

static void check(const IrBlock *block, const char *after)
{
    if (!IR_VERIFY)
        return;
    g_autoptr(GString) why = g_string_new(NULL);
    if (ir_verify(block, why))
        return;
    g_string_append_printf(why, "\nafter %s:\n", after);
    ir_print(block, why);
    g_error("malformed IR: %s", why->str);
}

void pipeline_run(IrBlock *block, bool optimise)
{
    check(block, "lifting");
    for (unsigned i = 0; i < G_N_ELEMENTS(passes); i++) {
        if (passes[i].optional && !optimise)
            continue;
        passes[i].run(block);
        check(block, passes[i].name);
    }
}
