// The native core: only what Python cannot do fast or safely. Each part has its own file and registers itself here.
#include <nanobind/nanobind.h>

namespace burnish::executor {
void register_executor(nanobind::module_& module);
}

namespace burnish::factorise {
void register_factorise(nanobind::module_& module);
}

namespace burnish::nest {
void register_nest(nanobind::module_& module);
}

namespace burnish::observer {
void register_observer(nanobind::module_& module);
}

namespace burnish::simulate {
void register_simulate(nanobind::module_& module);
}

namespace burnish::timing {
void register_timing(nanobind::module_& module);
}

NB_MODULE(_native, module) {
    module.doc() = "Burnish's native core.";
    burnish::executor::register_executor(module);
    burnish::factorise::register_factorise(module);
    burnish::nest::register_nest(module);
    burnish::observer::register_observer(module);
    burnish::simulate::register_simulate(module);
    burnish::timing::register_timing(module);
}
