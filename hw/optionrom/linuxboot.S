/* SPDX-License-Identifier: MIT
 * Option ROM behind -kernel: a boot device (BEV) that fetches what boot-linux.c
 * or boot-multiboot.c laid out in fw_cfg and jumps to it. Real mode throughout;
 * fw_cfg's DMA reaches memory above 1 MiB for us.
 * Sources: "Plug and Play BIOS Specification" 1.0A, "The Linux/x86 Boot Protocol"
 * (16-bit entry), "Multiboot Specification" 0.6.96, firmware configuration
 * interface as documented by QEMU (specs/fw_cfg). Length byte and checksum are
 * filled in by embed-rom.py. */

#define FW_CFG_DMA_HIGH      0x514
#define FW_CFG_DMA_LOW       0x518
#define FW_CFG_DMA_SELECT    0x08
#define FW_CFG_DMA_READ      0x02

/* fw_cfg keys: hw/fw-cfg.h */
#define KERNEL_ADDR  0x07
#define KERNEL_SIZE  0x08
#define INITRD_ADDR  0x0a
#define INITRD_SIZE  0x0b
#define KERNEL_ENTRY 0x10
#define KERNEL_DATA  0x11
#define INITRD_DATA  0x12
#define CMDLINE_ADDR 0x13
#define CMDLINE_SIZE 0x14
#define CMDLINE_DATA 0x15
#define SETUP_ADDR   0x16
#define SETUP_SIZE   0x17
#define SETUP_DATA   0x18

/* struct multiboot_info */
#define MBI_MEM_LOWER   4
#define MBI_MEM_UPPER   8
#define MBI_MMAP_LENGTH 44
#define MBI_MMAP_ADDR   48
#define MULTIBOOT_BOOTLOADER_MAGIC 0x2badb002
#define MMAP_MAX_BYTES  (32 * 24) /* boot-multiboot.c leaves room for these */

	.code16
	.text
	.globl _start
_start:
	.short	0xaa55
	.byte	0			/* length in 512-byte units */
	movw	$0x20, %ax		/* initialisation: an IPL device is attached */
	lret

	.org	0x18
	.short	0			/* no PCI data structure */
	.short	pnp_header

	.balign	16
pnp_header:
	.ascii	"$PnP"
	.byte	1			/* revision */
	.byte	2			/* length in 16-byte units */
	.short	0			/* no further header */
	.byte	0
	.byte	0			/* checksum of the header */
	.long	0			/* no device identifier */
	.short	0			/* manufacturer string */
	.short	product_name
	.byte	0, 0, 0			/* device type */
	.byte	0x74			/* shadowable, cacheable, for booting only, IPL device */
	.short	0			/* boot connection vector */
	.short	0			/* disconnect vector */
	.short	boot			/* bootstrap entry vector */
	.short	0
	.short	0			/* static resource vector */

product_name:
	.asciz	"Kernel given with -kernel"
error_text:
	.asciz	"-kernel: cannot read the kernel through fw_cfg\r\n"

/* What to load: keys of address, size and data. Empty pieces are skipped. */
pieces:
	.short	KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
	.short	INITRD_ADDR, INITRD_SIZE, INITRD_DATA
	.short	CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA
	.short	SETUP_ADDR, SETUP_SIZE, SETUP_DATA
pieces_end:

	.balign	8
gdt:	/* accessed bits preset: the table lies in read-only memory */
	.quad	0
	.quad	0x00cf9b000000ffff	/* 08h: code, base 0, limit 4 GiB */
	.quad	0x00cf93000000ffff	/* 10h: data, likewise */
gdt_end:

boot:
	cld
	inb	$0x92, %al		/* A20: data above 1 MiB */
	orb	$0x02, %al
	andb	$0xfe, %al
	outb	%al, $0x92

	movw	$pieces, %si
1:	movw	%cs:(%si), %ax
	call	read_u32
	movl	%eax, %edi
	movw	%cs:2(%si), %ax
	call	read_u32
	movl	%eax, %ecx
	jecxz	2f
	movw	%cs:4(%si), %ax
	call	read_bytes
2:	addw	$6, %si
	cmpw	$pieces_end, %si
	jb	1b

	movw	$KERNEL_ENTRY, %ax
	call	read_u32
	testl	%eax, %eax
	jnz	start_multiboot

/* The setup code runs at its segment + 20h with all data segments at its own
 * segment and the stack below the command line. */
start_linux:
	movw	$SETUP_ADDR, %ax
	call	read_u32
	movl	%eax, %ebx
	movw	$CMDLINE_ADDR, %ax
	call	read_u32
	subl	%ebx, %eax
	subl	$16, %eax
	shrl	$4, %ebx
	cli
	movw	%bx, %ss
	movl	%eax, %esp
	movw	%bx, %ds
	movw	%bx, %es
	movw	%bx, %fs
	movw	%bx, %gs
	addw	$0x20, %bx
	pushw	%bx
	pushw	$0
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	lret

start_multiboot:
	pushl	%eax			/* entry */
	movw	$INITRD_ADDR, %ax	/* where the multiboot information lies */
	call	read_u32
	pushl	%eax
	shrl	$4, %eax
	movw	%ax, %fs		/* fs:0 is the information */
	call	fill_memory_map
	popl	%esi
	popl	%ecx

	cli
	xorl	%ebx, %ebx
	movw	%cs, %bx
	shll	$4, %ebx		/* linear address of this ROM */
	leal	gdt(%ebx), %eax
	pushl	%eax
	pushw	$(gdt_end - gdt - 1)
	movw	%sp, %bp
	lgdtl	(%bp)
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	leal	flat(%ebx), %eax
	pushl	$0x08
	pushl	%eax
	lretl

	.code32
flat:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	movl	%esi, %ebx
	movl	$MULTIBOOT_BOOTLOADER_MAGIC, %eax
	jmp	*%ecx

	.code16
/* Memory sizes and the BIOS's memory map, as multiboot wants them. In: fs. */
fill_memory_map:
	int	$0x12
	movzwl	%ax, %eax
	movl	%eax, %fs:MBI_MEM_LOWER
	movl	%fs:MBI_MMAP_ADDR, %edi
	movl	%edi, %eax
	shrl	$4, %eax
	movw	%ax, %es
	andl	$15, %edi
	movw	%di, %si		/* start of the map */
	xorl	%ebx, %ebx
1:	movl	$20, %es:(%di)		/* size of the entry, itself not counted */
	addw	$4, %di
	movl	$0xe820, %eax
	movl	$0x534d4150, %edx	/* "SMAP" */
	movl	$20, %ecx
	int	$0x15
	jc	3f
	cmpl	$0x534d4150, %eax
	jne	3f
	cmpl	$0x100000, %es:(%di)	/* the block at 1 MiB is the upper memory */
	jne	2f
	cmpl	$0, %es:4(%di)
	jne	2f
	movl	%es:8(%di), %eax
	shrl	$10, %eax
	movl	%eax, %fs:MBI_MEM_UPPER
2:	addw	$20, %di
	movw	%di, %ax
	subw	%si, %ax
	cmpw	$MMAP_MAX_BYTES, %ax
	jae	4f
	testl	%ebx, %ebx
	jnz	1b
	jmp	4f
3:	subw	$4, %di			/* no entry after all */
4:	subw	%si, %di
	movzwl	%di, %edi
	movl	%edi, %fs:MBI_MMAP_LENGTH
	ret

/* eax = the 32-bit item of fw_cfg key ax. Keeps the other registers. */
read_u32:
	pushl	%edi
	pushl	%ecx
	pushl	$0			/* the item; absent items read as 0 */
	xorl	%edi, %edi
	movw	%ss, %di
	shll	$4, %edi
	movzwl	%sp, %ecx
	addl	%ecx, %edi
	movl	$4, %ecx
	call	read_bytes
	popl	%eax
	popl	%ecx
	popl	%edi
	ret

/* ecx bytes of fw_cfg key ax to physical address edi. Keeps all registers but
 * eax. Builds the big-endian DMA descriptor on the stack. */
read_bytes:
	pushw	%bp
	pushl	%edx
	movl	%edi, %edx
	bswapl	%edx
	pushl	%edx			/* address, low half */
	pushl	$0			/* address, high half */
	movl	%ecx, %edx
	bswapl	%edx
	pushl	%edx			/* length */
	shll	$16, %eax
	orl	$(FW_CFG_DMA_SELECT | FW_CFG_DMA_READ), %eax
	bswapl	%eax
	pushl	%eax			/* control */
	movw	%sp, %bp
	xorl	%eax, %eax
	movw	$FW_CFG_DMA_HIGH, %dx
	outl	%eax, %dx
	movw	%ss, %ax
	shll	$4, %eax
	movzwl	%sp, %edx
	addl	%edx, %eax
	bswapl	%eax
	movw	$FW_CFG_DMA_LOW, %dx
	outl	%eax, %dx		/* starts the transfer */
1:	movl	(%bp), %eax
	testl	$0x01000000, %eax	/* error, bit 0 of the big-endian word */
	jnz	fail
	testl	%eax, %eax
	jnz	1b
	addw	$16, %sp
	popl	%edx
	popw	%bp
	ret

fail:
	movw	$error_text, %si
1:	movb	%cs:(%si), %al
	incw	%si
	testb	%al, %al
	jz	2f
	movb	$0x0e, %ah
	movw	$0x0007, %bx
	int	$0x10
	jmp	1b
2:	int	$0x18			/* next boot device */
	.balign	16
