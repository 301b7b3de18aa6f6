/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/config.h"
#include "cli/key-values.h"

static bool parse(Config *config, const char *line, int *code, GError **error)
{
    g_autofree char *full = g_strconcat("dbtvm ", line, NULL);
    g_auto(GStrv) argv = NULL;
    int argc;
    cr_assert(g_shell_parse_argv(full, &argc, &argv, NULL), "%s", line);
    return config_parse(config, argc, argv, code, error);
}

static Config parse_good(const char *line)
{
    Config config;
    GError *error = NULL;
    int code = -1;
    cr_assert(parse(&config, line, &code, &error), "%s: %s", line, error ? error->message : "left");
    cr_assert_eq(code, 0);
    return config;
}

static void parse_bad(const char *line, const char *message)
{
    Config config;
    GError *error = NULL;
    int code = -1;
    cr_assert_not(parse(&config, line, &code, &error), "'%s' was accepted", line);
    cr_assert_eq(code, 1, "%s", line);
    cr_assert_not_null(error, "%s", line);
    cr_assert_not_null(strstr(error->message, message), "'%s' said '%s', not '%s'", line,
                       error->message, message);
    cr_assert_null(strchr(error->message, '\n'), "%s: more than one line", line);
    g_error_free(error);
}

Test(options, defaults)
{
    Config c = parse_good("");
    cr_assert_eq(c.ram_bytes, 128u << 20);
    cr_assert_str_eq(c.cpu, "max");
    cr_assert(c.vga && !c.nographic && c.display == DISPLAY_DEFAULT);
    cr_assert_eq(c.drives->len, 1);
    const DriveConfig *cdrom = &g_array_index(c.drives, DriveConfig, 0);
    cr_assert(cdrom->cdrom && cdrom->index == 2 && !cdrom->file);
    cr_assert_null(c.console[CONSOLE_SERIAL + 1].spec);
    cr_assert_null(c.console[CONSOLE_MONITOR].spec);
    cr_assert_eq(c.rtc_base, -1);
    cr_assert_eq(c.escape_char, 1);
    cr_assert_gt(c.data_dirs->len, 0);
    config_clear(&c);
    c = parse_good("-nodefaults");
    cr_assert_eq(c.drives->len, 0);
    config_clear(&c);
    c = parse_good("-drive file=x,index=2");
    cr_assert_eq(c.drives->len, 1);
    config_clear(&c);
}

Test(options, memory)
{
    static const struct {
        const char *line;
        uint64_t mib;
    } sizes[] = {{"-m 64", 64},       {"--m 1G", 1024},     {"-m 512M", 512},
                 {"-m 2048K", 2},     {"-m size=256", 256}, {"-m 1.5G", 1536},
                 {"-m 64 -m 32", 32}, {"-m 1000k", 0},      {"-m=96", 96}};
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (!sizes[i].mib) {
            parse_bad(sizes[i].line, "at least 1M");
            continue;
        }
        Config c = parse_good(sizes[i].line);
        cr_expect_eq(c.ram_bytes, sizes[i].mib << 20, "%s", sizes[i].line);
        config_clear(&c);
    }
}

static void expect_drive(const Config *c, unsigned n, const char *file, DriveInterface interface,
                         unsigned index, bool cdrom)
{
    cr_assert_lt(n, c->drives->len);
    const DriveConfig *drive = &g_array_index(c->drives, DriveConfig, n);
    cr_expect_str_eq(drive->file, file);
    cr_expect_eq(drive->interface, interface);
    cr_expect_eq(drive->index, index);
    cr_expect_eq(drive->cdrom, cdrom);
}

Test(options, drives)
{
    Config c = parse_good("disk.img -cdrom cd.iso -fda f.img -drive file=x,,y.img,format=raw "
                          "-drive file=z,if=ide,index=3,media=disk,snapshot=on,serial=S1,"
                          "cache=none,id=d,werror=enospc,rerror=report -fdb g");
    cr_assert_eq(c.drives->len, 6);
    expect_drive(&c, 0, "disk.img", DRIVE_IDE, 0, false);
    expect_drive(&c, 1, "cd.iso", DRIVE_IDE, 2, true);
    expect_drive(&c, 2, "f.img", DRIVE_FLOPPY, 0, false);
    expect_drive(&c, 3, "x,y.img", DRIVE_IDE, 1, false);
    expect_drive(&c, 4, "z", DRIVE_IDE, 3, false);
    expect_drive(&c, 5, "g", DRIVE_FLOPPY, 1, false);
    const DriveConfig *z = &g_array_index(c.drives, DriveConfig, 4);
    cr_expect(z->snapshot && !z->read_only);
    cr_expect_str_eq(z->serial, "S1");
    cr_expect_str_eq(g_array_index(c.drives, DriveConfig, 2).option, "-fda f.img");
    config_clear(&c);

    c = parse_good("-snapshot -drive file=a,bus=1,unit=1 -hdb b -drive media=cdrom,readonly");
    expect_drive(&c, 0, "a", DRIVE_IDE, 3, false);
    cr_expect(g_array_index(c.drives, DriveConfig, 0).snapshot);
    cr_expect_null(g_array_index(c.drives, DriveConfig, 2).file);
    cr_expect_eq(g_array_index(c.drives, DriveConfig, 2).index, 0);
    config_clear(&c);
}

Test(options, bad_drives)
{
    parse_bad("-hda a b", "b: IDE place 0 is taken");
    parse_bad("-hda a -drive file=b,index=0", "-drive file=b,index=0: IDE place 0");
    parse_bad("-hdc a -cdrom b", "-cdrom b: IDE place 2 is taken");
    parse_bad("-hda a -hdb b -hdc c -hdd d -drive file=e", "too many drives");
    parse_bad("-drive file=e,index=4", "index 4 does not exist");
    parse_bad("-drive file=e,if=floppy,index=2", "index 2 does not exist");
    parse_bad("-drive file=e,index=-1", "not a number");
    parse_bad("-drive file=e,if=virtio", "if=virtio is not supported");
    parse_bad("-drive file=e,format=qcow2", "convert the image to raw");
    parse_bad("-drive file=e,id=a -drive file=f,id=a", "another drive has id=a");
    parse_bad("-drive file=e,file=f", "'file' is given twice");
    parse_bad("-drive if=ide", "needs file=");
    parse_bad("-drive disk.img", "unknown parameter 'disk.img'");
    parse_bad("-drive file=e,snapshot=maybe", "must be on or off");
    parse_bad("-drive file=e,serial=123456789012345678901", "longer than 20");
    parse_bad("-drive file=e,media=tape", "must be disk or cdrom");
    parse_bad("-drive file=e,if=floppy,media=cdrom", "a floppy drive takes no CD-ROM");
    parse_bad("-drive file=e,index=1,unit=1", "cannot both be given");
    parse_bad("-drive file=e,werror=ignore", "only enospc");
    parse_bad("-drive file=e,if=floppy,werror=enospc", "go to the guest");
    parse_bad("-drive file=e,werror=report", "a full host stops");
    parse_bad("-drive file=e,rerror=stop", "only report");
    parse_bad("-drive file=e,bus=2", "does not exist");
    parse_bad("-drive file=", "needs a value");
    parse_bad("-hda ''", "needs the name of a file");
}

Test(options, boot_and_clock)
{
    Config c = parse_good("-kernel k -initrd i -append 'a=b c' -boot order=dc,menu=on -bios b.bin "
                          "-rtc base=2006-06-17T16:01:21,clock=vm -name guest=x");
    cr_expect_str_eq(c.kernel, "k");
    cr_expect_str_eq(c.initrd, "i");
    cr_expect_str_eq(c.append, "a=b c");
    cr_expect_str_eq(c.boot_order, "dc");
    cr_expect(c.boot_menu);
    cr_expect_eq(c.rtc_base, 1150560081);
    cr_expect_str_eq(c.name, "x");
    config_clear(&c);
    c = parse_good("-boot d -rtc base=localtime -name y");
    cr_expect_str_eq(c.boot_order, "d");
    cr_expect(c.rtc_localtime);
    cr_expect_str_eq(c.name, "y");
    config_clear(&c);
    c = parse_good("-boot menu=on -rtc base=1970-01-02");
    cr_expect_null(c.boot_order);
    cr_expect_eq(c.rtc_base, 86400);
    config_clear(&c);
}

static void expect_consoles(const char *line, const char *serial0, const char *serial1,
                            const char *monitor)
{
    Config c = parse_good(line);
    cr_expect_eq(g_strcmp0(c.console[CONSOLE_SERIAL].spec, serial0), 0, "%s: %s", line,
                 c.console[CONSOLE_SERIAL].spec);
    cr_expect_eq(g_strcmp0(c.console[CONSOLE_SERIAL + 1].spec, serial1), 0, "%s: %s", line,
                 c.console[CONSOLE_SERIAL + 1].spec);
    cr_expect_eq(g_strcmp0(c.console[CONSOLE_MONITOR].spec, monitor), 0, "%s: %s", line,
                 c.console[CONSOLE_MONITOR].spec);
    config_clear(&c);
}

Test(options, consoles)
{
    expect_consoles("-serial stdio -serial null", "stdio", "null", NULL);
    expect_consoles("-serial mon:stdio", "mon:stdio", NULL, NULL);
    expect_consoles("-serial mon:stdio -monitor none", "mon:stdio", NULL, NULL);
    expect_consoles("", "null", NULL, NULL);
    expect_consoles("-monitor stdio", "null", NULL, "stdio");
    expect_consoles("-nographic", "mon:stdio", NULL, NULL);
    expect_consoles("-nographic -monitor none", "stdio", NULL, "none");
    expect_consoles("-nographic -serial file:x", "file:x", NULL, "stdio");
    expect_consoles("-nographic -serial mon:stdio", "mon:stdio", NULL, NULL);
    expect_consoles("-nodefaults", "none", "none", "none");
    expect_consoles("-nodefaults -serial mon:stdio", "mon:stdio", "none", NULL);
    expect_consoles("-nodefaults -nographic -serial stdio", "stdio", "none", "none");
    expect_consoles("-serial pty -serial pty", "pty", "pty", NULL);
    expect_consoles("-chardev stdio,id=c,mux=on -serial chardev:c -mon chardev=c", "mon:stdio",
                    NULL, NULL);
    expect_consoles("-serial chardev:c -chardev stdio,id=c", "stdio", NULL, NULL);
    expect_consoles("-chardev socket,id=s,host=localhost,port=4444,server=on,wait=off "
                    "-serial chardev:s -chardev socket,id=t,path=/tmp/x,server,nowait "
                    "-monitor chardev:t",
                    "tcp:localhost:4444,server,nowait", NULL, "unix:/tmp/x,server,nowait");
    expect_consoles("-chardev socket,id=s,host=::1,port=1 -serial chardev:s -chardev "
                    "file,id=f,path=a,,b -serial chardev:f",
                    "tcp:[::1]:1", "file:a,b", NULL);
}

Test(options, chardevs)
{
    Config c = parse_good("-chardev stdio,id=c,mux=on,signal=off,logfile=l -serial chardev:c "
                          "-chardev file,id=idle,path=p,logfile=m,logappend=on");
    const ConsoleConfig *serial = &c.console[CONSOLE_SERIAL], *spare = &c.console[CONSOLE_SPARE];
    cr_expect_str_eq(serial->spec, "stdio");
    cr_expect(serial->mux && serial->signals == SIGNALS_OFF && !serial->log_append);
    cr_expect_str_eq(serial->log_file, "l");
    cr_expect_str_eq(spare->spec, "file:p");
    cr_expect_str_eq(spare->id, "idle");
    cr_expect(!spare->mux && spare->signals == SIGNALS_AS_USUAL && spare->log_append);
    cr_expect_str_eq(spare->log_file, "m");
    cr_expect_null(spare[1].spec);
    config_clear(&c);
    c = parse_good("-chardev stdio,id=c,mux=on,signal=on -serial chardev:c -mon c");
    cr_expect_str_eq(c.console[CONSOLE_SERIAL].spec, "mon:stdio");
    cr_expect_eq(c.console[CONSOLE_SERIAL].signals, SIGNALS_ON);
    cr_expect_null(c.console[CONSOLE_SPARE].spec);
    config_clear(&c);
    parse_bad("-chardev stdio,id=c,signal=perhaps", "must be on or off");
    parse_bad("-chardev pty,id=c,signal=on", "unknown parameter 'signal'");
    parse_bad("-chardev stdio,id=c -serial stdio", "by both the first serial port and -chardev c");
    parse_bad("-chardev pty,id=c,mux=on -gdb chardev:c", "'c' is gdb's");
    GString *many = g_string_new("");
    for (unsigned i = CONSOLE_SPARE; i <= CONSOLES; i++)
        g_string_append_printf(many, "-chardev null,id=c%u ", i);
    parse_bad(many->str, "more than 16");
    g_string_free(many, TRUE);
}

Test(options, qmp_and_scripts)
{
    Config c = parse_good("-qmp unix:/tmp/q,server,nowait -script test.mon");
    cr_expect_str_eq(c.console[CONSOLE_QMP].spec, "unix:/tmp/q,server,nowait");
    cr_expect_str_eq(c.script, "test.mon");
    config_clear(&c);
    c = parse_good("-chardev socket,id=q,path=/tmp/q,server=on,wait=off -mon chardev=q,mode=control");
    cr_expect_str_eq(c.console[CONSOLE_QMP].spec, "unix:/tmp/q,server,nowait");
    cr_expect_null(c.console[CONSOLE_MONITOR].spec);
    config_clear(&c);
}

Test(options, bad_consoles)
{
    parse_bad("-serial stdio -monitor stdio", "'stdio' is used by both");
    parse_bad("-nographic -monitor stdio", "-nographic uses it");
    parse_bad("-serial mon:stdio -monitor pty", "the monitor has a place already");
    parse_bad("-serial null -serial null -serial null", "the board has 2 serial ports");
    parse_bad("-serial vc", "no text consoles");
    parse_bad("-gdb 1234", "unknown character device");
    parse_bad("-gdb mon:stdio", "cannot be shared");
    parse_bad("-gdb stdio -serial stdio", "'stdio' is used by both");
    parse_bad("-serial foo", "unknown character device");
    parse_bad("-serial file:", "takes an argument");
    parse_bad("-serial stdio:x", "takes no argument");
    parse_bad("-serial chardev:nope", "there is no -chardev with that id");
    parse_bad("-monitor null -monitor null", "there is one monitor");
    parse_bad("-chardev stdio", "needs id=");
    parse_bad("-chardev null,id=a -chardev null,id=a", "another chardev has id=a");
    parse_bad("-chardev blob,id=a", "unknown backend");
    parse_bad("-chardev socket,id=a", "either path=");
    parse_bad("-chardev socket,id=a,port=70000", "up to 65535");
    parse_bad("-chardev file,id=a", "file needs path=");
    parse_bad("-chardev null,id=a,path=b", "unknown parameter 'path'");
    parse_bad("-chardev stdio,id=c -serial chardev:c -mon chardev=c", "it needs mux=on");
    parse_bad("-chardev pty,id=c,mux=on -serial chardev:c -serial chardev:c", "used twice");
    parse_bad("-debugcon mon:stdio", "cannot be shared");
    parse_bad("-debugcon null -debugcon null", "at port 0xe9 already");
    parse_bad("-debugcon a:b -debugcon null", "unknown character device");
    parse_bad("-global isa-debugcon.iobase=0x402 -debugcon null -chardev null,id=c "
              "-device isa-debugcon,iobase=0x402,chardev=c",
              "at port 0x402 already");
    parse_bad("-debugcon null -debugcon null -debugcon null", "2 debug consoles");
    parse_bad("-qmp null -qmp null", "there is one QMP monitor");
    parse_bad("-qmp mon:stdio", "cannot share");
    parse_bad("-qmp stdio -serial stdio", "'stdio' is used by both");
    parse_bad("-chardev null,id=c -mon chardev=c,mode=x", "readline or control");
    parse_bad("-mon mode=control", "needs chardev=ID");
    parse_bad("-parallel stdio", "there is no parallel port");
    parse_bad("-echr 0", "character code");
}

Test(options, debug_consoles)
{
    static const struct {
        const char *line;
        uint16_t port[PC_DEBUGCONS];
    } rows[] = {
        {"-debugcon null", {0xe9}},
        {"-debugcon null -global isa-debugcon.iobase=0x402", {0x402}},
        {"-chardev null,id=c -device isa-debugcon,chardev=c", {0xe9}},
        {"-chardev null,id=c -device isa-debugcon,iobase=0x402,chardev=c", {0x402}},
        {"-chardev null,id=c -device isa-debugcon,iobase=0x10,chardev=c -debugcon null "
         "-global isa-debugcon.iobase=0x402",
         {0x10, 0x402}},
        {"-debugcon none -debugcon null", {0, 0xe9}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Config c = parse_good(rows[i].line);
        for (unsigned p = 0; p < PC_DEBUGCONS; p++)
            cr_expect_eq(c.debugcon_port[p], rows[i].port[p], "%s", rows[i].line);
        config_clear(&c);
    }
}

Test(options, machine)
{
    Config c = parse_good("-M pc,accel=tcg -smp 1 -cpu max -accel tcg,tb-size=32,thread=single "
                          "-vga none -display none -net none -nic none -parallel none -no-hpet "
                          "-device isa-debug-exit,iobase=0xf4,iosize=0x04 -device isa-debug-exit "
                          "-chardev file,id=d,path=d.log -device isa-debugcon,chardev=d");
    cr_expect_eq(c.engine.cache_bytes, 32u << 20);
    cr_expect_not(c.vga);
    cr_expect_eq(c.display, DISPLAY_NONE);
    cr_expect_eq(c.debug_exits, 2);
    cr_expect_eq(c.debug_exit[0].iobase, 0xf4);
    cr_expect_eq(c.debug_exit[0].iosize, 4);
    cr_expect_eq(c.debug_exit[1].iobase, 0x501);
    cr_expect_str_eq(c.console[CONSOLE_DEBUGCON].spec, "file:d.log");
    config_clear(&c);
    static const char *const accelerators[] = {
        "-accel kvm -accel tcg,thread=multi",
        "-accel kvm,kernel-irqchip=off -accel tcg",
        "-accel tcg -accel kvm",
        "-accel kvm:tcg",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(accelerators); i++) {
        c = parse_good(accelerators[i]);
        config_clear(&c);
    }
    c = parse_good("-machine accel=kvm:tcg -smp cpus=1,cores=1 -nodefaults -vga std -tb-size 8");
    cr_expect(c.vga);
    cr_expect_eq(c.engine.cache_bytes, 8u << 20);
    config_clear(&c);
}

Test(options, hpet)
{
    static const struct {
        const char *line;
        bool absent;
    } rows[] = {{"", false},
                {"-M hpet=on", false},
                {"-M hpet=off", true},
                {"-no-hpet", true},
                {"-no-hpet -machine pc,hpet=on", false}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Config c = parse_good(rows[i].line);
        cr_expect_eq(c.no_hpet, rows[i].absent, "%s", rows[i].line);
        config_clear(&c);
    }
}

Test(options, bad_machine)
{
    parse_bad("-m 99999G", "-m 99999G: too much");
    parse_bad("-m 0", "at least 1M");
    parse_bad("-m -5", "not a size");
    parse_bad("-m 12X", "not a size");
    parse_bad("-m 12MM", "not a size");
    parse_bad("-m 1e400", "not a size");
    parse_bad("-m nan", "not a size");
    parse_bad("-m ''", "needs a size");
    parse_bad("-m 128,slots=2", "cannot be added");
    parse_bad("-m 128,size=64", "'size' is given twice");
    parse_bad("-smp 2", "dbtvm has one CPU");
    parse_bad("-smp cpus=1,cores=4", "dbtvm has one CPU");
    parse_bad("-smp 0", "not a number of CPUs");
    parse_bad("-cpu nonesuch", "nonesuch");
    parse_bad("-enable-kvm", "-enable-kvm: not supported: dbtvm translates");
    parse_bad("-accel kvm", "-accel kvm: dbtvm translates all code itself");
    parse_bad("-accel kvm -accel hvf,x=y", "-accel hvf: ");
    parse_bad("-M accel=kvm:hvf", "-accel hvf: ");
    parse_bad("-accel kvm:blub", "unknown accelerator 'blub'");
    parse_bad("-machine pc,accel=kvm", "never uses KVM");
    parse_bad("-accel blub", "unknown accelerator");
    parse_bad("-M q35", "unknown machine 'q35'");
    parse_bad("-M pc,hpet=maybe", "must be on or off");
    parse_bad("-accel tcg,tb-size=0", "from 1 to 1024");
    parse_bad("-vga cirrus", "std and none");
    parse_bad("-display gtk", "sdl and none");
    parse_bad("-device e1000", "'e1000' cannot be added");
    parse_bad("-device isa-debug-exit,iobase=0x10000", "must lie in");
    parse_bad("-device isa-debug-exit,iobase=0xffffffffffffffff", "must lie in");
    parse_bad("-device isa-debug-exit -device isa-debug-exit", "has these ports");
    parse_bad("-device isa-debugcon,iobase=0x10000,chardev=c", "1 to 0xffff");
    parse_bad("-device isa-debugcon", "needs chardev=ID");
    parse_bad("-global isa-debugcon.iobase=0", "1 to 0xffff");
    parse_bad("-global ide-hd.serial=1", "only isa-debugcon.iobase");
    parse_bad("-netdev user,id=n", "there is no network");
    parse_bad("-nic user,model=e1000", "there is no network");
    parse_bad("-rtc base=yesterday", "must be utc");
    parse_bad("-rtc base=2006-13-17", "must be utc");
    parse_bad("-boot x", "boot device 'x' is unknown");
    parse_bad("-boot cc", "given twice");
    parse_bad("-boot once=d", "-no-reboot");
    parse_bad("-append x", "needs -kernel");
    parse_bad("-initrd x", "needs -kernel");
}

Test(options, running)
{
    Config c = parse_good("-S -no-reboot -action shutdown=pause --stats --interp --no-chain "
                          "--no-opt --one-insn-per-tb -d in_asm,int -d nochain -echr 0x14");
    cr_expect(c.start_stopped && c.no_reboot && c.no_shutdown && c.stats);
    cr_expect(c.engine.interp && c.engine.no_chain && c.engine.no_opt && c.engine.one_insn);
    cr_expect_eq(c.log_items, LOG_IN_ASM | LOG_INT | LOG_NOCHAIN);
    cr_expect_eq(c.escape_char, 20);
    config_clear(&c);
    c = parse_good("-action reboot=shutdown,shutdown=poweroff");
    cr_expect(c.no_reboot && !c.no_shutdown);
    config_clear(&c);
}

Test(options, bad_running)
{
    parse_bad("-hdaa x", "did you mean -hda?");
    parse_bad("--nografic", "--nografic: unknown option; did you mean -nographic?");
    parse_bad("-zzzzzzzzzz", "-help lists them");
    parse_bad("-", "unknown option");
    parse_bad("--", "unknown option");
    parse_bad("-m", "-m: needs an argument (SIZE)");
    parse_bad("-S=on", "takes no argument");
    parse_bad("-d blub", "blub");
    parse_bad("-D /nonexistent/dir/log", "-D /nonexistent/dir/log: cannot write");
    parse_bad("-D /", "is a directory");
    parse_bad("--stats-json /nonexistent/x", "cannot write");
    parse_bad("-pidfile /nonexistent/x", "cannot write");
    parse_bad("-stats-json /tmp/dbtvm-same -D /tmp/dbtvm-same", "is the file of");
    parse_bad("-L /nonexistent", "not a directory");
    parse_bad("-action reboot=fly", "reset or shutdown");
    parse_bad("-loadvm x", "cannot be loaded");
    parse_bad("-k de", "set the layout in the guest");
    parse_bad("-name process=x", "keeps its name");
}

Test(options, helps_exit_zero)
{
    static const char *const lines[] = {
        "-help",
        "--help",
        "-h",
        "-version",
        "-cpu help",
        "-M help",
        "-accel help",
        "-d help",
        "-L help",
        "-chardev help",
        "-device help",
        "-vga help",
        "-display help",
        "-device isa-debug-exit,help",
        "-help -nonsense",
    };
    fflush(stdout);
    int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    bool left[G_N_ELEMENTS(lines)];
    int code[G_N_ELEMENTS(lines)];
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Config config;
        GError *error = NULL;
        left[i] = !parse(&config, lines[i], &code[i], &error) && !error;
    }
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        cr_expect(left[i] && code[i] == 0, "%s", lines[i]);
}

Test(options, check)
{
    Config c = parse_good("--check -no-reboot");
    cr_expect(c.engine.check_every == 1 && c.no_reboot);
    config_clear(&c);
    c = parse_good("-check=1000 --check-report /tmp/report");
    cr_expect_eq(c.engine.check_every, 1000);
    cr_expect_str_eq(c.check_report, "/tmp/report");
    config_clear(&c);
    parse_bad("--check=0", "must be a number from 1 on");
    parse_bad("--check=often", "must be a number from 1 on");
    parse_bad("--check --interp", "-interp translates none");
    parse_bad("--check-report /nowhere/report --check", "cannot write it");
}

Test(options, counted_time)
{
    Config c = parse_good("-icount shift=7,sleep=off,align=off -seed 5 -digest-every 1000");
    cr_expect(c.icount && !c.icount_sleep && c.icount_shift == 7);
    cr_expect(c.seeded && c.seed == 5 && c.digest_every == 1000);
    config_clear(&c);
    c = parse_good("-icount 3");
    cr_expect(c.icount && c.icount_sleep && c.icount_shift == 3);
    cr_expect(c.seeded && c.seed == 0, "RDRAND must not differ");
    config_clear(&c);
    c = parse_good("");
    cr_expect(!c.icount && !c.seeded);
    config_clear(&c);
    parse_bad("-icount auto", "shift=auto follows the host's speed");
    parse_bad("-icount shift=11", "from 0 to 10");
    parse_bad("-icount 1,align=on", "align");
    parse_bad("-icount 1,rr=record", "no record and replay");
    parse_bad("-seed x", "must be a number");
    parse_bad("-digest-every 1000", "it needs -icount");
    parse_bad("-icount 1 -digest-every 0", "must be a number of instructions");
}

/* Random words made of the option alphabet: no crash, and every refusal is one line. */
Test(options, survives_nonsense)
{
    static const char *const words[] = {
        "-m",
        "-drive",
        "-chardev",
        "-serial",
        "-device",
        "-boot",
        "-smp",
        "-rtc",
        "-M",
        "-accel",
        "file=",
        "=",
        ",,",
        ",",
        "file=a,,b",
        "stdio",
        "mon:",
        "mon:stdio",
        "id=a",
        "stdio,id=a",
        "chardev:a",
        "-mon",
        "-monitor",
        "isa-debugcon,chardev=a",
        "99999999999999999999",
        "-",
        "isa-debug-exit,iobase=1,iosize=9",
        "x",
        "-nographic",
        "-nodefaults",
        "socket,id=b,port=1",
    };
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    for (int round = 0; round < 20000; round++) {
        const char *argv[7] = {"dbtvm"};
        int argc = 1 + g_rand_int_range(random, 0, 6);
        for (int i = 1; i < argc; i++)
            argv[i] = words[g_rand_int_range(random, 0, G_N_ELEMENTS(words))];
        Config config;
        GError *error = NULL;
        int code;
        if (config_parse(&config, argc, (char **)argv, &code, &error))
            config_clear(&config);
        else
            cr_assert(error && code == 1);
        g_clear_error(&error);
    }
}

Test(options, gdb)
{
    static const struct {
        const char *line, *spec;
    } rows[] = {{"-s -S", "tcp::1234"},
                {"-gdb unix:/tmp/x", "unix:/tmp/x"},
                {"-s -gdb none", "none"},
                {"-chardev socket,id=g,host=::1,port=7,server=on,wait=off -gdb chardev:g",
                 "tcp:[::1]:7,server,nowait"}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Config c = parse_good(rows[i].line);
        cr_expect(g_strcmp0(c.console[CONSOLE_GDB].spec, rows[i].spec) == 0, "%s: %s", rows[i].line,
                  c.console[CONSOLE_GDB].spec);
        config_clear(&c);
    }
}
