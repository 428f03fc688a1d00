// NVRTC's functions, as far as cubecl-cuda calls them: CubeCL's CUDA C++ goes to the system's C++ compiler, and the "PTX" is
// the path of a shared library. Only what CubeCL writes is understood; all else stops at the C++ compiler.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <functional>
#include <regex>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

enum Result { SUCCESS = 0, COMPILATION = 6 };

struct Program {
    std::string source, log, library;
};

// The folder of this library, which the compiled kernels are kept below.
std::string folder() {
    Dl_info info;
    dladdr((void *)&folder, &info);
    std::string path = info.dli_fname;
    return path.substr(0, path.rfind('/')) + "/kernels";
}

std::string read(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string replaced(const std::string &text, const char *pattern, const char *with) {
    return std::regex_replace(text, std::regex(pattern), with);
}

// C++ from CUDA C++: arrays know their lengths, which the kernel's parameter `info` has; and a function of our own calls the
// kernel from the array of arguments that a launch is given.
bool translate(const std::string &source, std::string &text) {
    std::smatch found;
    std::regex signature(R"(extern "C" __global__ void __launch_bounds__\(\d+\)\s+(\w+)\(([^)]*)\) \{)");
    if (!std::regex_search(source, found, signature))
        return false;
    std::string name = found[1], parameters = found[2], calls, declared;
    std::regex array(R"(\s*(\w+) (const)?\s*\* const __restrict__ (\w+))");
    std::regex info(R"(\s*__grid_constant__ info_st const (\w+))");
    std::stringstream list(parameters);
    std::string parameter, kept;
    int count = 0;
    for (; std::getline(list, parameter, ','); count++) {
        std::smatch parts;
        std::string at = "arguments[" + std::to_string(count) + "]";
        if (std::regex_match(parameter, parts, array)) {
            std::string type = parts[1].str() + " " + parts[2].str();
            declared += ", emulated::Buffer<" + type + "> const " + parts[3].str();
            calls += ", emulated::buffer<" + type + ">(unit, " + at + ", info.static_meta[" + std::to_string(count) + "])";
        } else if (std::regex_match(parameter, parts, info)) {
            declared += ", info_st const& " + parts[1].str();
            calls += ", info";
            kept = "info_st const& info = *(info_st const*)" + at + ";";
        } else
            return false;
    }
    std::string body = source.substr(found.position() + found.length());
    body = replaced(body, R"(extern __shared__ __align__\(\d+\) char (\w+)\[\];)", "char* const $1 = emulated_unit.shared;");
    std::string before = source.substr(0, found.position());
    before = replaced(before, R"(return data\[i\];)", "return data[emulated::within(i, N)];");
    text = "#define EMULATED_KERNEL\n#include \"emulated.h\"\n" + before + "static void " + name +
           "(emulated::Unit& emulated_unit" + declared + ") {" + body + "\nextern \"C\" void emulated_" + name +
           "(emulated::Unit& unit, void** arguments) {\n" + kept + "\n" + name + "(unit" + calls + ");\n}\n";
    return true;
}

} // namespace

extern "C" {

Result nvrtcCreateProgram(Program **program, const char *source, const char *, int, const char *const *,
                          const char *const *) {
    *program = new Program{source, "", ""};
    return SUCCESS;
}

Result nvrtcDestroyProgram(Program **program) {
    delete *program;
    return SUCCESS;
}

Result nvrtcCompileProgram(Program *program, int count, const char *const *options) {
    std::string text, includes;
    if (!translate(program->source, text)) {
        program->log = "the emulated NVRTC does not understand this kernel's signature";
        return COMPILATION;
    }
    // What a library is named by: all that it is made of.
    std::string all = text;
    for (int at = 0; at < count; at++) {
        std::string option = options[at], include = "--include-path=";
        if (option.rfind(include, 0) != 0)
            continue;
        std::string path = option.substr(include.size());
        includes += " '-I" + path + "'";
        for (const char *header : {"/emulated.h", "/mma.h", "/cuda_bf16.h"})
            all += read(path + header);
    }
    char name[32];
    std::snprintf(name, sizeof name, "/%016zx", std::hash<std::string>()(all));
    std::string path = folder() + name;
    program->library = path + ".so";
    if (access(program->library.c_str(), R_OK) == 0)
        return SUCCESS;
    mkdir(folder().c_str(), 0777);
    std::ofstream(path + ".cpp") << text;
    // Another process may compile the same kernel: the library appears whole.
    std::string own = path + "." + std::to_string(getpid());
    std::string command = "c++ -std=c++17 -O2 -march=native -w -shared -fPIC" + includes + " -o " + own + " " + path +
                          ".cpp 2> " + own + ".log";
    bool done = std::system(command.c_str()) == 0 && std::rename(own.c_str(), program->library.c_str()) == 0;
    program->log = done ? "" : read(own + ".log");
    std::remove((own + ".log").c_str());
    return done ? SUCCESS : COMPILATION;
}

Result nvrtcGetProgramLogSize(Program *program, std::size_t *size) {
    *size = program->log.size() + 1;
    return SUCCESS;
}

Result nvrtcGetProgramLog(Program *program, char *log) {
    std::strcpy(log, program->log.c_str());
    return SUCCESS;
}

Result nvrtcGetPTXSize(Program *program, std::size_t *size) {
    *size = program->library.size() + 1;
    return SUCCESS;
}

Result nvrtcGetPTX(Program *program, char *ptx) {
    std::strcpy(ptx, program->library.c_str());
    return SUCCESS;
}
}
