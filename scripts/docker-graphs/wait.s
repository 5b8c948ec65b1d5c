# The only program in the fixtures' images: `wait` sleeps until it is killed, `wait N` ends with status N. No library, 1 KB.
        .globl  _start
_start: cmpq    $1, (%rsp)              # argc
        jg      status
sleep:  movl    $34, %eax               # pause
        syscall
        jmp     sleep
status: movq    16(%rsp), %rdi          # argv[1]
        movzbl  (%rdi), %edi
        subl    $'0', %edi
        movl    $60, %eax               # exit
        syscall
