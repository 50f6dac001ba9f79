"""The name of each layer, connection and transform as an attribute of a PyTorch module; torch is not imported.

Weight files, the module of `snsim.load`, `--initial` and `snsim compare` all use these names: `input_h1.weight`.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

# What every torch.nn.Module has (torch 2.13), and what `snsim.engines.torch.module.SnModule` adds to it. A name in a
# weight file must not depend on the version of torch, so the names are written down; a test compares them with torch.
_NAMES = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory
    state_dict to to_empty train training type xpu zero_grad
    _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
    _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
    _get_backward_hooks _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict
    _load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules _named_members
    _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook _register_state_dict_hook
    _replicate_for_data_parallel _save_to_state_dict _slow_forward _state_dict_hooks _state_dict_pre_hooks _version
    _wrapped_call_impl
    classes connection input_shape input_shapes layer_names load_weights make_optimizer optimizer output_shape
    parameter_groups parameter_names predict prepare scales_rows scaling schedule states tables trainings transform
    __annotations__ __call__ __class__ __delattr__ __dict__ __dir__ __doc__ __eq__ __format__ __ge__ __getattr__
    __getattribute__ __getstate__ __gt__ __hash__ __init__ __init_subclass__ __le__ __lt__ __module__ __ne__ __new__
    __reduce__ __reduce_ex__ __repr__ __setattr__ __setstate__ __sizeof__ __str__ __subclasshook__ __weakref__
    _order _rows _single _states _states_and_sums _transforms
    """
RESERVED = frozenset(_NAMES.split())


def attribute_names(names: Iterable[str]) -> list[str]:
    """Return a Python attribute name for each part of a net: characters but letters, digits and _ become _.

    A name that is taken by an earlier part, that every module has, or that is a word of Python gets one more `_`.
    """
    taken = {*RESERVED, *keyword.kwlist}
    attributes = []
    for name in names:
        attribute = re.sub(r"\W", "_", name)
        while attribute in taken:
            attribute += "_"
        taken.add(attribute)
        attributes.append(attribute)
    return attributes
