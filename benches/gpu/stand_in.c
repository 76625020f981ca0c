/* Stands in for NVIDIA's libraries when homer is linked, so that the binary starts where there are none.
 *
 * candle links against the driver, cuBLAS and cuRAND: its binary would not even start without them. Here
 * each of their functions is a jump through a slot. At first the slot leads to `find`, which looks the
 * function up among the libraries that are loaded by then: homer loads them itself, for everybody to see,
 * when it is to compute on a GPU (src/nn/cuda.rs), and says what is missing there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef __x86_64__
#error "only x86-64 has stand-ins so far"
#endif

__attribute__((used)) void *homer_stand_in_find(const char *name) {
    void *function = dlsym(RTLD_DEFAULT, name);
    if (!function) {
        fprintf(stderr, "homer: error: no CUDA library that is loaded has %s: the driver or cuBLAS is older than "
                        "the one that homer was built with\n", name);
        exit(1);
    }
    return function;
}

/* In: the address of the slot in r10, of the name in r11, a call's arguments in their registers and on the
 * stack. They stay as they are; the call goes on in the function that was found. */
asm(".text\n"
    ".type homer_stand_in_bind, @function\n"
    "homer_stand_in_bind:\n"
    "    push %rdi\n    push %rsi\n    push %rdx\n    push %rcx\n    push %r8\n    push %r9\n    push %rax\n"
    "    push %r10\n"
    "    sub $136, %rsp\n"
    "    movups %xmm0, (%rsp)\n     movups %xmm1, 16(%rsp)\n   movups %xmm2, 32(%rsp)\n   movups %xmm3, 48(%rsp)\n"
    "    movups %xmm4, 64(%rsp)\n   movups %xmm5, 80(%rsp)\n   movups %xmm6, 96(%rsp)\n   movups %xmm7, 112(%rsp)\n"
    "    mov %r11, %rdi\n"
    "    call homer_stand_in_find\n"
    "    mov %rax, %r11\n"
    "    movups (%rsp), %xmm0\n     movups 16(%rsp), %xmm1\n   movups 32(%rsp), %xmm2\n   movups 48(%rsp), %xmm3\n"
    "    movups 64(%rsp), %xmm4\n   movups 80(%rsp), %xmm5\n   movups 96(%rsp), %xmm6\n   movups 112(%rsp), %xmm7\n"
    "    add $136, %rsp\n"
    "    pop %r10\n"
    "    pop %rax\n    pop %r9\n    pop %r8\n    pop %rcx\n    pop %rdx\n    pop %rsi\n    pop %rdi\n"
    "    mov %r11, (%r10)\n"
    "    jmp *%r11\n");

/* Each in sections of its own: the linker keeps those that are called. */
#define STAND_IN(name)                                                                        \
    asm(".section .rodata." #name ", \"a\", @progbits\n"                                      \
        "1: .asciz \"" #name "\"\n"                                                           \
        ".section .data.rel." #name ", \"aw\", @progbits\n"                                   \
        ".balign 8\n"                                                                         \
        "2: .quad 3f\n"                                                                       \
        ".section .text." #name ", \"ax\", @progbits\n"                                       \
        ".globl " #name "\n"                                                                  \
        ".type " #name ", @function\n"                                                        \
        #name ": jmp *2b(%rip)\n"                                                             \
        "3: lea 2b(%rip), %r10\n"                                                             \
        "    lea 1b(%rip), %r11\n"                                                            \
        "    jmp homer_stand_in_bind\n"                                                       \
        ".text\n");

/* STAND_IN(cuInit) … for every function of the bindings: build.sh writes it. */
#include "functions.h"
