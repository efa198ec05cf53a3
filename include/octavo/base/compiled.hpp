// Where the bodies of long functions are. Header-only programs have them inline in every unit. Those that link
// octavo::kernels (OCTAVO_COMPILED_KERNELS) see declarations: the bodies are compiled once, in the library, whose
// source defines OCTAVO_COMPILING.
#pragma once

// OCTAVO_COMPILED_ONCE marks such a function. OCTAVO_COMPILED_IF_USED marks the declaration of one that few units use,
// and OCTAVO_BODY_IF_USED its body: header-only it is a template, which costs nothing where it is not called.
#if defined(OCTAVO_COMPILING)
#define OCTAVO_BODIES 1
#define OCTAVO_COMPILED_ONCE
#define OCTAVO_COMPILED_IF_USED
#define OCTAVO_BODY_IF_USED
#elif defined(OCTAVO_COMPILED_KERNELS)
#define OCTAVO_BODIES 0
#define OCTAVO_COMPILED_ONCE
#define OCTAVO_COMPILED_IF_USED
#define OCTAVO_BODY_IF_USED
#else
#define OCTAVO_BODIES 1
#define OCTAVO_COMPILED_ONCE inline
#define OCTAVO_COMPILED_IF_USED template <class = void>
#define OCTAVO_BODY_IF_USED template <class>
#endif
