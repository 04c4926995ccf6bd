/* Sections of an xclbin that are fixed records, and all sections one kernel needs. */
#include <stdarg.h>
#include <stdio.h>

#include "npu/files/bytes.h"
#include "npu/files/xclbin.h"

enum {
    MEM_BYTES = 40,
    IP_BYTES = 80,
    CONNECTION_BYTES = 12,
    MEM_DRAM = 2,
    IP_PS_KERNEL = 7,
    SUBTYPE_DPU = 1,
    MEM_HOST = 0, // numbers of our two banks
    MEM_SRAM = 1,
    BUFFERS_MAX = 32,
    FIXED_ARGUMENTS = 3, // opcode, instructions, their number
};

/* Where records start and how long they are; records of 8-byte fields start at 8. */
static void layout(uint32_t kind, size_t *start, size_t *each)
{
    bool mem = kind == NPU_SECTION_MEM_TOPOLOGY || kind == NPU_SECTION_GROUP_TOPOLOGY;
    bool ip = kind == NPU_SECTION_IP_LAYOUT;
    *start = mem || ip ? 8 : 4;
    *each = mem ? MEM_BYTES : ip ? IP_BYTES : CONNECTION_BYTES;
}

int npu_section_count(const struct npu_xclbin *x, const struct npu_xclbin_section *s,
                      struct sotto_diag *diag)
{
    size_t start, each;
    layout(s->kind, &start, &each);
    uint32_t n = s->size >= start ? get32(s->data) : 0;
    if (s->size < start || n > INT32_MAX || n > (s->size - start) / each) {
        return diag_set(diag, SOTTO_ESYNTAX, x->file,
                        "%s: at 0x%llx: section %s says it has %u entries in %llu bytes.", x->file,
                        (unsigned long long)s->offset, npu_section_name(s->kind), n,
                        (unsigned long long)s->size);
    }
    return (int)n;
}

void npu_section_mem(const struct npu_xclbin_section *s, int i, struct npu_mem *mem)
{
    const uint8_t *p = s->data + 8 + (size_t)i * MEM_BYTES;
    *mem = (struct npu_mem){
        .type = p[0], .used = p[1], .size_kb = get64(p + 8), .base = get64(p + 16)};
    memcpy(mem->tag, p + 24, 16);
}

void npu_section_ip(const struct npu_xclbin_section *s, int i, struct npu_ip *ip)
{
    const uint8_t *p = s->data + 8 + (size_t)i * IP_BYTES;
    *ip = (struct npu_ip){.type = get32(p), .properties = get32(p + 4), .base = get64(p + 8)};
    memcpy(ip->name, p + 16, 64);
}

void npu_section_connection(const struct npu_xclbin_section *s, int i, struct npu_connection *c)
{
    const uint8_t *p = s->data + 4 + (size_t)i * CONNECTION_BYTES;
    *c = (struct npu_connection){
        .argument = (int32_t)get32(p), .ip = (int32_t)get32(p + 4), .mem = (int32_t)get32(p + 8)};
}

/* ---- one kernel ---- */

static void put_mem(uint8_t *p, uint64_t size_kb, const char *tag)
{
    p[0] = MEM_DRAM;
    p[1] = 1; // used
    put64(p + 8, size_kb);
    put64(p + 16, 0x4000000);
    memcpy(p + 24, tag, strlen(tag));
}

static int add_topology(struct npu_xclbin *x, uint32_t kind, const char *name)
{
    uint8_t data[8 + 2 * MEM_BYTES] = {2};
    put_mem(data + 8, 0x10000, "HOST");
    put_mem(data + 8 + MEM_BYTES, 0xC000, "SRAM");
    return npu_xclbin_add(x, kind, name, data, sizeof data);
}

static int add_ip(struct npu_xclbin *x, const struct npu_xclbin_kernel *k)
{
    uint8_t data[8 + IP_BYTES] = {1};
    put32(data + 8, IP_PS_KERNEL);
    put32(data + 12, k->kernel_id << 16 | SUBTYPE_DPU);
    put64(data + 16, ~(uint64_t)0);
    snprintf((char *)data + 24, 64, "%s:%s", k->name, k->instance);
    return npu_xclbin_add(x, NPU_SECTION_IP_LAYOUT, "ip_layout", data, sizeof data);
}

/* Only pointers are connected: the instructions to SRAM, the buffers to HOST. */
static int add_connectivity(struct npu_xclbin *x, uint32_t kind, const char *name, unsigned n)
{
    uint8_t data[4 + (1 + BUFFERS_MAX) * CONNECTION_BYTES] = {0};
    put32(data, n + 1);
    for (unsigned i = 0; i <= n; i++) {
        uint8_t *p = data + 4 + i * CONNECTION_BYTES;
        put32(p, i ? FIXED_ARGUMENTS + i - 1 : 1);
        put32(p + 8, i ? MEM_HOST : MEM_SRAM);
    }
    return npu_xclbin_add(x, kind, name, data, 4 + (size_t)(n + 1) * CONNECTION_BYTES);
}

static void print(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void print(struct out *out, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    out_bytes(out, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

static void print_argument(struct out *out, const char *name, unsigned id, bool pointer,
                           unsigned bytes, unsigned offset, const char *type)
{
    print(out,
          "          <arg name=\"%s\" addressQualifier=\"%d\" id=\"%u\" size=\"0x%x\" "
          "offset=\"0x%02x\" hostOffset=\"0x0\" hostSize=\"0x%x\" type=\"%s\"/>\n",
          name, pointer, id, bytes, offset, bytes, type);
}

static int add_metadata(struct npu_xclbin *x, const struct npu_xclbin_kernel *k)
{
    struct out out = {0};
    print(&out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<project name=\"%s\">\n", k->name);
    print(&out, "  <platform vendor=\"xilinx\" boardid=\"v1\" name=\"ipu\" featureRomTime=\"0\">\n"
                "    <version major=\"0\" minor=\"0\"/>\n    <description/>\n"
                "    <device name=\"fpga0\" fpgaDevice=\"\" addrWidth=\"0\">\n"
                "      <core name=\"OCL_REGION_0\" target=\"hw\" type=\"clc_region\">\n");
    print(&out, "        <kernel name=\"%s\" language=\"c\" type=\"dpu\">\n", k->name);
    print(&out,
          "          <extended-data subtype=\"1\" functional=\"0\" dpu_kernel_id=\"0x%x\"/>\n",
          k->kernel_id);
    print_argument(&out, "opcode", 0, false, 8, 0x00, "uint64_t");
    print_argument(&out, "instr", 1, true, 8, 0x08, "char *");
    print_argument(&out, "ninstr", 2, false, 4, 0x10, "uint32_t");
    for (unsigned i = 0; i < k->n_buffers; i++) {
        char name[16];
        snprintf(name, sizeof name, "bo%u", i);
        print_argument(&out, name, FIXED_ARGUMENTS + i, true, 8, 0x14 + 8 * i, "void*");
    }
    print(&out, "          <instance name=\"%s\"/>\n        </kernel>\n      </core>\n",
          k->instance);
    print(&out, "    </device>\n  </platform>\n</project>\n");
    int err = out.failed ? SOTTO_ENOMEM
                         : npu_xclbin_add(x, NPU_SECTION_EMBEDDED_METADATA, "metadata", out.data,
                                          out.size);
    mem_free(out.data);
    return err;
}

static int add_partition(struct npu_xclbin *x, const struct npu_partition *partition,
                         struct sotto_diag *diag)
{
    uint8_t *bytes;
    size_t size;
    int err = npu_partition_write(partition, &bytes, &size, diag);
    if (!err) {
        err = npu_xclbin_add(x, NPU_SECTION_AIE_PARTITION, partition->name, bytes, size);
        mem_free(bytes);
    }
    return err;
}

/* A name that goes into the XML and a 64-byte field as it is. */
static bool plain_name(const char *name)
{
    return *name && strlen(name) < 32 && !strpbrk(name, "<>&\"':\n");
}

int npu_xclbin_add_kernel(struct npu_xclbin *x, const struct npu_xclbin_kernel *k,
                          const struct npu_partition *partition, struct sotto_diag *diag)
{
    if (!plain_name(k->name) || !plain_name(k->instance) || k->kernel_id > 0xFFF ||
        k->n_buffers > BUFFERS_MAX) {
        return diag_set(diag, SOTTO_EINVAL, x->file,
                        "A kernel needs short plain names, an id below 0x1000 and at most %d "
                        "buffers.",
                        BUFFERS_MAX);
    }
    int err = add_topology(x, NPU_SECTION_MEM_TOPOLOGY, "mem_topology");
    err = err ? err : add_partition(x, partition, diag);
    err = err ? err : add_metadata(x, k);
    err = err ? err : add_ip(x, k);
    err = err ? err : add_connectivity(x, NPU_SECTION_CONNECTIVITY, "connectivity", k->n_buffers);
    err = err ? err
              : add_connectivity(x, NPU_SECTION_GROUP_CONNECTIVITY, "group_connect", k->n_buffers);
    err = err ? err : add_topology(x, NPU_SECTION_GROUP_TOPOLOGY, "group_topology");
    return err == SOTTO_ENOMEM ? files_no_memory(x->file, diag) : err;
}
