// The native core: only what Python cannot do fast or safely. Each part has its own file and registers itself here.
#include <nanobind/nanobind.h>

NB_MODULE(_native, module) {
    module.doc() = "Burnish's native core.";
}
