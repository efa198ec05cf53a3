// Where the bodies of long functions are. Header-only programs have them inline in every unit. Those that link
// octavo::kernels (OCTAVO_COMPILED_KERNELS) see declarations: the bodies are compiled once, in the library, whose
// source defines OCTAVO_COMPILING.
#pragma once

#if defined(OCTAVO_COMPILING)
#define OCTAVO_BODIES 1
#define OCTAVO_COMPILED_ONCE
#elif defined(OCTAVO_COMPILED_KERNELS)
#define OCTAVO_BODIES 0
#define OCTAVO_COMPILED_ONCE
#else
#define OCTAVO_BODIES 1
#define OCTAVO_COMPILED_ONCE inline
#endif
