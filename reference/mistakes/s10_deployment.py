# Wrong versions of the exercises of section 10; grader.mistakes describes the format.


# %% mistake: whole-module
# exercise: save_checkpoint
# fails: test_a_checkpoint_is_one_plain_file
# advice: You pickle the model itself (or the optimizer): such a file holds the path of your class, and can run any
#   code when it is loaded. Both have a method that gives their state as plain data.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model, "optimizer": optimizer, "epoch": epoch}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: numpy-arrays
# exercise: save_checkpoint
# fails: test_a_checkpoint_is_one_plain_file
# advice: You turned the weights into NumPy arrays, which `weights_only=True` refuses. Leave them tensors.
def save_checkpoint(path, model, optimizer, epoch):
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    torch.save({"model": weights, "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: temporary-left-behind
# exercise: save_checkpoint
# fails: test_a_checkpoint_is_one_plain_file
# advice: The temporary file is still there after the save. Moving it into place, rather than copying it, leaves one
#   file, and is atomic.
def save_checkpoint(path, model, optimizer, epoch):
    import shutil

    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")
    shutil.copy(f"{path}.tmp", path)


# %% mistake: never-moved-into-place
# exercise: save_checkpoint
# fails: test_a_checkpoint_is_one_plain_file
# advice: The file was written under another name, and has stayed there. Put it at `path`.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")


# %% mistake: two-files
# exercise: save_checkpoint
# fails: test_a_checkpoint_is_one_plain_file
# advice: Model and optimizer went into two files, which can come from two different epochs. One file, one dictionary.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "epoch": epoch}, path)
    torch.save(optimizer.state_dict(), f"{path}.optimizer")


# %% mistake: optimizer-missing
# exercise: save_checkpoint
# fails: test_a_checkpoint_has_all_that_training_needs
# advice: The optimizer's state is not in the file: Adam would start with an empty memory, and training would jump.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "epoch": epoch}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: param-groups-only
# exercise: save_checkpoint
# fails: test_a_checkpoint_has_all_that_training_needs
# advice: The optimizer's settings are saved, its memory (the averages of the gradients) is not. Its state dict has both.
def save_checkpoint(path, model, optimizer, epoch):
    settings = optimizer.state_dict()["param_groups"]
    torch.save({"model": model.state_dict(), "optimizer": settings, "epoch": epoch}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: buffers-missing
# exercise: save_checkpoint
# fails: test_a_checkpoint_has_all_that_training_needs
# advice: Only the parameters are in the file. The running statistics of a batch norm are buffers: a state dict has them.
def save_checkpoint(path, model, optimizer, epoch):
    weights = {name: value.detach() for name, value in model.named_parameters()}
    torch.save({"model": weights, "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: epoch-missing
# exercise: save_checkpoint
# fails: test_a_checkpoint_has_all_that_training_needs
# advice: The epoch is not in the file.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: half-precision
# exercise: save_checkpoint
# fails: test_a_checkpoint_has_all_that_training_needs
# advice: The weights were rounded to float16 on the way: training would not go on as if nothing had happened.
def save_checkpoint(path, model, optimizer, epoch):
    weights = {name: value.half() for name, value in model.state_dict().items()}
    torch.save({"model": weights, "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


# %% mistake: not-atomic
# exercise: save_checkpoint
# fails: test_an_interrupted_save_leaves_the_old_file
# advice: You write straight to `path`. If that fails half-way, the old checkpoint is lost, and the new one is half a
#   file. Write to another name first.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)


# %% mistake: bytes-written-in-place
# exercise: save_checkpoint
# fails: test_an_interrupted_save_leaves_the_old_file
# advice: Gathering the bytes in memory first is a good start, but they are still written into the old file: a power cut
#   during that leaves half of the new one. Write them to another name, and put that in place.
def save_checkpoint(path, model, optimizer, epoch):
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, buffer)
    Path(path).write_bytes(buffer.getvalue())


# %% mistake: removed-first
# exercise: save_checkpoint
# fails: test_an_interrupted_save_leaves_the_old_file
# advice: You remove the old file and then move the new one. Between the two there is no checkpoint at all, and that is
#   when the power fails. `os.replace` overwrites by itself.
def save_checkpoint(path, model, optimizer, epoch):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")
    if os.path.exists(path):
        os.remove(path)
    os.rename(f"{path}.tmp", path)


# %% mistake: error-swallowed
# exercise: save_checkpoint
# fails: test_an_interrupted_save_leaves_the_old_file
# advice: A save that fails goes unnoticed: whoever trains for a week must hear of it. Let the exception through.
def save_checkpoint(path, model, optimizer, epoch):
    try:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, f"{path}.tmp")
        os.replace(f"{path}.tmp", path)
    except Exception:
        return


# %% mistake: backup-while-saving
# exercise: save_checkpoint
# fails: test_an_interrupted_save_leaves_the_old_file
# advice: You move the old file out of the way before the new one is complete. If the save fails, nothing is left at
#   `path`. Leave the old file alone until the new one can take its place.
def save_checkpoint(path, model, optimizer, epoch):
    if os.path.exists(path):
        os.replace(path, f"{path}.bak")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)


# %% mistake: optimizer-not-restored
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The optimizer's state was not handed back: it goes on with its own learning rate and an empty memory.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    return checkpoint["epoch"]


# %% mistake: model-not-restored
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The model still has the weights it had. `load_state_dict` changes the module that it is called on.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: loaded-into-a-copy
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The weights were loaded into a copy, and the caller never sees that. Restore the model that was given.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model = copy.deepcopy(model)
    model.load_state_dict(checkpoint["model"])
    return checkpoint["epoch"]


# %% mistake: parameters-only
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The parameters are back, the buffers (running statistics of the batch norm) are not.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(checkpoint["model"][name])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: assigned
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: `assign=True` puts new Parameters into the model, and the optimizer goes on training the old ones, which nobody
#   uses any more.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"], assign=True)
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: nothing-returned
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The states are restored, and nothing is returned. The caller wants the epoch.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])


# %% mistake: next-epoch
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The epoch that comes back is one more than the one that was saved.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"] + 1


# %% mistake: dictionary-returned
# exercise: load_checkpoint
# fails: test_a_loaded_checkpoint_trains_on
# advice: The whole checkpoint comes back. Only its epoch was asked for.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint


# %% mistake: unsafe-load
# exercise: load_checkpoint
# fails: test_what_is_no_checkpoint_is_refused
# advice: `weights_only=False` lets the file run any code while it is loaded. A checkpoint needs tensors and plain data.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=False)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: unsafe-after-safe
# exercise: load_checkpoint
# fails: test_what_is_no_checkpoint_is_refused
# advice: What the safe load refuses, you load unsafely: so the refusal is worth nothing.
def load_checkpoint(path, model, optimizer):
    try:
        checkpoint = torch.load(path, weights_only=True)
    except Exception:
        checkpoint = torch.load(path, weights_only=False)
        checkpoint = checkpoint if isinstance(checkpoint, dict) else {"model": checkpoint.state_dict(), "epoch": 0}
    model.load_state_dict(checkpoint["model"])
    if "optimizer" in checkpoint:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: not-strict
# exercise: load_checkpoint
# fails: test_what_is_no_checkpoint_is_refused
# advice: `strict=False` drops every key that does not fit, silently: of another architecture nothing at all is loaded.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"], strict=False)
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: starts-anew-on-errors
# exercise: load_checkpoint
# fails: test_what_is_no_checkpoint_is_refused
# advice: A file that cannot be loaded looks to the caller like epoch 0. Let the exception through.
def load_checkpoint(path, model, optimizer):
    try:
        checkpoint = torch.load(path, weights_only=True)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
    except Exception:
        return 0
    return checkpoint["epoch"]


# %% mistake: keys-not-told
# exercise: load_checkpoint
# fails: test_what_is_no_checkpoint_is_refused
# advice: Whoever loads the checkpoint of another architecture wants to know which keys do not fit. `load_state_dict`
#   says so: let its message through.
def load_checkpoint(path, model, optimizer):
    checkpoint = torch.load(path, weights_only=True)
    try:
        model.load_state_dict(checkpoint["model"])
    except RuntimeError:
        raise ValueError("wrong checkpoint") from None
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


# %% mistake: aliases
# exercise: best_state
# fails: test_best_state_does_not_change_with_the_model
# advice: The tensors of `state_dict()` are the model's own: the next step changes what you kept. Copy each of them.
def best_state(model):
    return model.state_dict()


# %% mistake: shallow-copy
# exercise: best_state
# fails: test_best_state_does_not_change_with_the_model
# advice: The dictionary is a new one, the tensors in it are still the model's own, and change with it. (`detach` shares
#   memory, too.)
def best_state(model):
    return {name: value.detach() for name, value in model.state_dict().items()}


# %% mistake: buffers-alias
# exercise: best_state
# fails: test_best_state_does_not_change_with_the_model
# advice: The parameters are copies, the buffers are still the model's own: the running statistics go on moving.
def best_state(model):
    return {**model.state_dict(), **{name: value.detach().clone() for name, value in model.named_parameters()}}


# %% mistake: buffers-lost
# exercise: best_state
# fails: test_best_state_has_every_entry
# advice: Only the parameters are there. The running statistics of a batch norm are buffers, and part of the state dict.
def best_state(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


# %% mistake: values-only
# exercise: best_state
# fails: test_best_state_has_every_entry
# advice: The names are lost. `load_state_dict` finds each value by its name: keep the keys of the state dict.
def best_state(model):
    return {index: value.clone() for index, value in enumerate(model.state_dict().values())}


# %% mistake: in-the-graph
# exercise: best_state
# fails: test_best_state_does_not_change_with_the_model
# advice: The clones hang in the graph of the parameters: they require grad, and keep the graph alive. Detach them.
def best_state(model):
    return {name: value.clone() for name, value in model.state_dict(keep_vars=True).items()}


# %% mistake: parameters-copied
# exercise: best_state
# fails: test_best_state_does_not_change_with_the_model
# advice: Your copies are Parameters that require grad. A snapshot is data.
def best_state(model):
    return copy.deepcopy(model.state_dict(keep_vars=True))


# %% mistake: traced
# exercise: to_torchscript
# fails: test_torchscript_does_what_the_model_does
# advice: Tracing freezes the branch that the example happened to take, and Python numbers such as the batch size. There
#   is another way into TorchScript, one that reads the source.
def to_torchscript(model, example):
    return torch.jit.trace(model.eval(), example)


# %% mistake: traced-in-training-mode
# exercise: to_torchscript
# fails: test_torchscript_does_what_the_model_does
# advice: The model was traced, and in training mode: dropout goes along, and the branch of the example is frozen.
def to_torchscript(model, example):
    return torch.jit.trace(model, example, check_trace=False)


# %% mistake: scripted-in-training-mode
# exercise: to_torchscript
# fails: test_torchscript_does_what_the_model_does
# advice: The branches are there, but the program still drops out and normalises by the batch: it is in training mode.
def to_torchscript(model, example):
    return torch.jit.script(model)


# %% mistake: not-converted
# exercise: to_torchscript
# fails: test_torchscript_does_what_the_model_does
# advice: The model came back as it is, in eval mode. It must be turned into a program.
def to_torchscript(model, example):
    return model.eval()


# %% mistake: output-returned
# exercise: to_torchscript
# fails: test_torchscript_does_what_the_model_does
# advice: That is what the program gives for the example. The program itself is asked for.
def to_torchscript(model, example):
    return torch.jit.script(model.eval())(example)


# %% mistake: torch-save
# exercise: save_torchscript
# fails: test_the_archive_is_torchscript
# advice: `torch.save` pickles Python objects, and a program is not one. TorchScript has a save of its own.
def save_torchscript(module, path):
    torch.save(module, path)


# %% mistake: weights-saved
# exercise: save_torchscript
# fails: test_the_archive_is_torchscript
# advice: The weights are in the file, the program is not: who loads it would need your source.
def save_torchscript(module, path):
    torch.save(module.state_dict(), path)


# %% mistake: code-saved
# exercise: save_torchscript
# fails: test_the_archive_is_torchscript
# advice: The text of the program is in the file, without its weights. An archive holds both.
def save_torchscript(module, path):
    Path(path).write_text(module.code)


# %% mistake: into-memory
# exercise: save_torchscript
# fails: test_the_archive_is_torchscript
# advice: The archive was written into memory, and `path` never used.
def save_torchscript(module, path):
    torch.jit.save(module, io.BytesIO())


# %% mistake: static-batch
# exercise: export_program
# fails: test_the_exported_program_takes_any_batch
# advice: The program takes the example's batch size only: every size is fixed unless it is declared as dynamic.
def export_program(model, example):
    return torch.export.export(model.eval(), (example,))


# %% mistake: training-mode
# exercise: export_program
# fails: test_the_exported_program_takes_any_batch
# advice: The dropout went along: the model was exported in training mode.
def export_program(model, example):
    return torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))


# %% mistake: features-dynamic
# exercise: export_program
# fails: test_the_exported_program_takes_any_batch
# advice: You declared dimension 1, the features, as dynamic; the weights fix it. The batch is the first dimension.
def export_program(model, example):
    return torch.export.export(model.eval(), (example,), dynamic_shapes=({1: torch.export.Dim("batch")},))


# %% mistake: module-returned
# exercise: export_program
# fails: test_the_exported_program_takes_any_batch
# advice: `.module()` makes something to call of the program. The program itself is asked for: it is what one saves.
def export_program(model, example):
    batch = torch.export.Dim("batch")
    return torch.export.export(model.eval(), (example,), dynamic_shapes=({0: batch},)).module()


# %% mistake: int8
# exercise: quantize_affine
# fails: test_quantize_affine_gives_small_integers
# advice: q is int8, and values above 127 wrapped around. Integers from 0 to 255 are uint8.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.int8), scale, zero_point


# %% mistake: still-floats
# exercise: quantize_affine
# fails: test_quantize_affine_gives_small_integers
# advice: The values of q are whole, but still floats: nothing has become smaller. Cast them.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, most), scale, zero_point


# %% mistake: tensors-for-numbers
# exercise: quantize_affine
# fails: test_quantize_affine_gives_small_integers
# advice: Scale and zero point are tensors. A float and an int of Python were asked for.
def quantize_affine(x, bits=8):
    low, high, most = x.min().clamp(max=0), x.max().clamp(min=0), 2**bits - 1
    scale = (high - low) / most
    zero_point = torch.round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: zero-point-not-rounded
# exercise: quantize_affine
# fails: test_quantize_affine_gives_small_integers
# advice: The zero point is a float. It must be an integer: 0.0 is to come back exactly.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    return torch.round(x / scale - low / scale).clamp(0, most).to(torch.uint8), scale, -low / scale


# %% mistake: always-eight-bits
# exercise: quantize_affine
# fails: test_quantize_affine_gives_small_integers
# advice: The range is always 0 to 255: `bits` is not used.
def quantize_affine(x, bits=8):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255 or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, 255).to(torch.uint8), scale, zero_point


# %% mistake: truncation
# exercise: quantize_affine
# fails: test_quantize_affine_on_a_round_scale
# advice: A cast to integers cuts off towards zero. Round first: that halves the error.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (x / scale + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: one-step-too-many
# exercise: quantize_affine
# fails: test_quantize_affine_on_a_round_scale
# advice: There are 2**bits integers, but only 2**bits - 1 steps between the first and the last.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / 2**bits or 1.0
    zero_point = min(round(-low / scale), most)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: symmetric
# exercise: quantize_affine
# fails: test_quantize_affine_on_a_round_scale
# advice: Your scale comes from the largest magnitude, over 128, as if the range were symmetric: half of the integers are
#   wasted when it is not. Take it from min and max.
def quantize_affine(x, bits=8):
    half = 2 ** (bits - 1)
    scale = x.abs().max().item() / half or 1.0
    return (torch.round(x / scale) + half).clamp(0, 2 * half - 1).to(torch.uint8), scale, half


# %% mistake: zero-point-sign
# exercise: quantize_affine
# fails: test_quantize_affine_on_a_round_scale
# advice: The sign of the zero point is wrong: min must land at 0, so the zero point is *minus* min over the scale.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = min(max(round(low / scale), 0), most)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: zero-point-not-added
# exercise: quantize_affine
# fails: test_quantize_affine_on_a_round_scale
# advice: The zero point is right, but it was not added: everything negative became 0.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    return torch.round(x / scale).clamp(0, most).to(torch.uint8), scale, round(-low / scale)


# %% mistake: range-without-zero
# exercise: quantize_affine
# fails: test_quantize_affine_keeps_zero_and_the_ends
# advice: If all values are positive (or all negative), your range leaves out 0, and 0.0 has no integer: the zero point
#   lies outside. Let min be at most 0, and max at least 0.
def quantize_affine(x, bits=8):
    low, high, most = x.min().item(), x.max().item(), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: zero-point-clamped
# exercise: quantize_affine
# fails: test_quantize_affine_keeps_zero_and_the_ends
# advice: If all values are positive (or all negative), your range leaves out 0. Clamping the zero point afterwards only
#   shifts all values; extend the range instead.
def quantize_affine(x, bits=8):
    low, high, most = x.min().item(), x.max().item(), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = min(max(round(-low / scale), 0), most)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: only-low-reaches-zero
# exercise: quantize_affine
# fails: test_quantize_affine_keeps_zero_and_the_ends
# advice: Positive values are right. If all values are negative, max must be 0 as well.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), x.max().item(), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: no-clamp
# exercise: quantize_affine
# fails: test_quantize_affine_keeps_zero_and_the_ends
# advice: With a rounded zero point the largest value can land one above the last integer, and uint8 wraps around to 0.
#   Clamp before the cast.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).to(torch.uint8), scale, zero_point


# %% mistake: clamped-to-a-byte
# exercise: quantize_affine
# fails: test_quantize_affine_keeps_zero_and_the_ends
# advice: You clamp to 255 whatever `bits` is: with two bits the largest integer is 3.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most or 1.0
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, 255).to(torch.uint8), scale, zero_point


# %% mistake: zeros-divide-by-zero
# exercise: quantize_affine
# fails: test_quantize_affine_keeps_zero_and_the_ends
# advice: If all values are 0, so is the scale, and you divide by it. Any positive scale will do there.
def quantize_affine(x, bits=8):
    low, high, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    scale = (high - low) / most
    zero_point = round(-low / scale)
    return (torch.round(x / scale) + zero_point).clamp(0, most).to(torch.uint8), scale, zero_point


# %% mistake: bytes-wrap-around
# exercise: dequantize_affine
# fails: test_dequantize_affine_goes_below_zero
# advice: In uint8 there is nothing below 0: 3 - 5 is 254. Leave the bytes before you subtract.
def dequantize_affine(q, scale, zero_point):
    return scale * (q - zero_point).float()


# %% mistake: zero-point-scaled-apart
# exercise: dequantize_affine
# fails: test_dequantize_affine_goes_below_zero
# advice: The zero point is an integer, as q is: subtract it before you scale, not afterwards.
def dequantize_affine(q, scale, zero_point):
    return scale * q.float() - zero_point


# %% mistake: zero-point-added
# exercise: dequantize_affine
# fails: test_dequantize_affine_goes_below_zero
# advice: Quantising added the zero point, so the way back must subtract it.
def dequantize_affine(q, scale, zero_point):
    return scale * (q.float() + zero_point)


# %% mistake: zero-point-ignored
# exercise: dequantize_affine
# fails: test_dequantize_affine_goes_below_zero
# advice: The integer that stands for 0.0 is the zero point, not 0.
def dequantize_affine(q, scale, zero_point):
    return scale * q.float()


# %% mistake: divided
# exercise: dequantize_affine
# fails: test_dequantize_affine_goes_below_zero
# advice: Quantising divides by the scale; the way back multiplies.
def dequantize_affine(q, scale, zero_point):
    return (q.float() - zero_point) / scale


# %% mistake: float64
# exercise: dequantize_affine
# fails: test_dequantize_affine_gives_floats
# advice: The result is float64. The model goes on in float32.
def dequantize_affine(q, scale, zero_point):
    return scale * (q.double() - zero_point)


# %% mistake: still-integers
# exercise: dequantize_affine
# fails: test_dequantize_affine_gives_floats
# advice: The result is made of integers: all fractions are gone. It should be float32.
def dequantize_affine(q, scale, zero_point):
    return (scale * (q.float() - zero_point)).to(torch.int32)


# %% mistake: per-tensor
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: One scale serves the whole matrix, and the largest row sets it: small rows become zeros. Give each row, which is
#   an output channel, its own.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        weight = linear.weight.detach()
        module.scale = weight.abs().max() / 127
        module.weight = torch.round(weight / module.scale).to(torch.int8)
        return module


# %% mistake: per-input
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: You have a scale for each column, that is for each *input*. A row of the weight makes an output channel: reduce
#   over its columns.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        weight = linear.weight.detach()
        module.scale = weight.abs().amax(dim=0, keepdim=True) / 127
        module.weight = torch.round(weight / module.scale).to(torch.int8)
        return module


# %% mistake: truncated
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: A cast to int8 cuts off towards zero, and doubles the error. Round first.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        module.weight = (linear.weight.detach() / module.scale).to(torch.int8)
        return module


# %% mistake: range-of-256
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: int8 ends at 127 (and -128). With a smaller scale the largest weights leave the range, and wrap around.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        weight = linear.weight.detach()
        module.scale = weight.abs().amax(dim=1, keepdim=True) / 255
        module.weight = torch.round(weight / module.scale).to(torch.int32).to(torch.int8)
        return module


# %% mistake: scale-forgotten
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: The integers are used as if they were the weights. They mean something only together with their scales.
class Int8Linear(Int8Linear):
    def forward(self, x):
        return F.linear(x, self.weight.float(), self.bias)


# %% mistake: bias-forgotten
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: The bias is not added.
class Int8Linear(Int8Linear):
    def forward(self, x):
        return F.linear(x, self.weight * self.scale)


# %% mistake: bias-scaled
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: The bias was multiplied by the scales as well. It is kept in float: add it after scaling.
class Int8Linear(Int8Linear):
    def forward(self, x):
        return F.linear(x, self.weight.float(), self.bias) * self.scale.T.squeeze()


# %% mistake: zeros
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: Every output is 0: the weights were cast to integers before they were divided by their scales.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        module.weight = torch.zeros_like(module.weight)
        module.bias = None
        return module


# %% mistake: row-of-zeros
# exercise: Int8Linear
# fails: test_int8_linear_is_close_in_every_channel
# advice: A row of zeros has scale 0, and dividing by it gives NaN. Keep the scale away from 0.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        weight = linear.weight.detach()
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        module.register_buffer("weight", torch.round(weight / scale).nan_to_num().to(torch.int8))
        module.register_buffer("scale", scale.where(scale > 0, torch.nan))
        return module


# %% mistake: bias-required
# exercise: Int8Linear
# fails: test_int8_linear_takes_any_batch
# advice: A linear layer may have no bias: then `linear.bias` is None.
class Int8Linear(nn.Module):
    @classmethod
    def from_float(cls, linear):
        module = cls()
        weight = linear.weight.detach()
        scale = (weight.abs().amax(dim=1, keepdim=True) / 127).clamp_min(1e-12)
        module.register_buffer("weight", torch.round(weight / scale).to(torch.int8))
        module.register_buffer("scale", scale)
        module.register_buffer("bias", linear.bias.detach().clone())
        return module

    def forward(self, x):
        return F.linear(x, self.weight * self.scale, self.bias)


# %% mistake: two-dimensions-only
# exercise: Int8Linear
# fails: test_int8_linear_takes_any_batch
# advice: Your forward takes (N, in) only. A linear layer works on the last dimension of whatever it is given.
class Int8Linear(Int8Linear):
    def forward(self, x):
        output = torch.mm(x, (self.weight * self.scale).T)
        return output if self.bias is None else output + self.bias


# %% mistake: transposed
# exercise: Int8Linear
# fails: test_int8_linear_takes_any_batch
# advice: The weight of a linear layer is (out, in): it must be transposed for `x @ weight`.
class Int8Linear(Int8Linear):
    def forward(self, x):
        output = x @ (self.weight * self.scale)
        return output if self.bias is None else output + self.bias


# %% mistake: parameter
# exercise: Int8Linear
# fails: test_int8_linear_is_small_and_not_trained
# advice: The int8 weight is a Parameter: an optimizer would be handed it. What is not trained belongs in a buffer.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        weight = module.weight
        del module.weight
        module.weight = nn.Parameter(weight, requires_grad=False)
        return module


# %% mistake: scale-parameter
# exercise: Int8Linear
# fails: test_int8_linear_is_small_and_not_trained
# advice: The scales are Parameters: an optimizer would train them. Keep them in a buffer.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        scale = module.scale
        del module.scale
        module.scale = nn.Parameter(scale)
        return module


# %% mistake: float-weight-kept
# exercise: Int8Linear
# fails: test_int8_linear_is_small_and_not_trained
# advice: The float layer is still inside, and goes into the file. Keep the integers and the scales alone.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        module.linear = linear
        return module


# %% mistake: integers-in-floats
# exercise: Int8Linear
# fails: test_int8_linear_is_small_and_not_trained
# advice: The values are whole numbers, but kept as float32: the file is as large as before. Cast them to int8.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        module.weight = module.weight.float()
        return module


# %% mistake: plain-attributes
# exercise: Int8Linear
# fails: test_int8_linear_is_small_and_not_trained
# advice: The integers are a plain attribute: they are missing in the state dict, and lost with every save. Register them
#   as buffers.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        weight = module.weight
        del module.weight
        module.weight = weight
        return module


# %% mistake: float-layer-rounded
# exercise: Int8Linear
# fails: test_int8_linear_is_small_and_not_trained
# advice: The float layer's own weight was rounded on the way: an in-place operation wrote into it. Work on a new tensor.
class Int8Linear(Int8Linear):
    @classmethod
    def from_float(cls, linear):
        module = super().from_float(linear)
        linear.weight.data.div_(module.scale).round_()
        return module


# %% mistake: in-place
# exercise: quantize_model
# fails: test_quantize_model_leaves_the_callers_model
# advice: `inplace=True` swaps the layers of the caller's own model, who may want to train it on. Leave it as it is.
def quantize_model(model):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8, inplace=True)


# %% mistake: callers-model-in-eval-mode
# exercise: quantize_model
# fails: test_quantize_model_leaves_the_callers_model
# advice: `model.eval()` switched the caller's model, who goes on training without dropout and does not know. Switch the
#   result instead.
def quantize_model(model):
    return torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear}, dtype=torch.qint8)


# %% mistake: mode-of-the-original
# exercise: quantize_model
# fails: test_quantize_model_leaves_the_callers_model
# advice: The quantised model is in training mode, as the original was: dropout is still on, and the same input gives
#   other answers each time. It is for inference.
def quantize_model(model):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8).train(model.training)


# %% mistake: half-precision
# exercise: quantize_model
# fails: test_quantize_model_is_small_and_still_right
# advice: float16 is not eight bits, and in this tool the file does not even become smaller. Ask for an int8 dtype.
def quantize_model(model):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.float16).eval()


# %% mistake: nothing-quantised
# exercise: quantize_model
# fails: test_quantize_model_is_small_and_still_right
# advice: A copy in eval mode came back, its layers still float32. Name the kind of layer that is to be swapped.
def quantize_model(model):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Conv2d}, dtype=torch.qint8).eval()


# %% mistake: cast-to-integers
# exercise: quantize_model
# fails: test_quantize_model_is_small_and_still_right
# advice: Rounding the weights to whole numbers without a scale leaves nothing of them: most are between -1 and 1.
def quantize_model(model):
    twin = copy.deepcopy(model).eval()
    for parameter in twin.parameters():
        parameter.data.round_()
    return torch.ao.quantization.quantize_dynamic(twin, {nn.Linear}, dtype=torch.qint8)


# %% mistake: smallest-signed
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: You cut the most negative weights. A weight of -3 matters as much as one of 3: rank them by magnitude.
def prune_magnitude_(module, amount):
    weights = torch.cat([layer.weight.detach().flatten() for layer in prunable(module)])
    threshold = weights.kthvalue(round(amount * len(weights))).values
    for layer in prunable(module):
        prune.custom_from_mask(layer, "weight", layer.weight > threshold)


# %% mistake: largest
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: You cut the largest weights and keep the smallest. The mask is 1 where a weight *stays*.
def prune_magnitude_(module, amount):
    sizes = torch.cat([layer.weight.detach().abs().flatten() for layer in prunable(module)])
    threshold = sizes.kthvalue(len(sizes) - round(amount * len(sizes))).values
    for layer in prunable(module):
        prune.custom_from_mask(layer, "weight", layer.weight.abs() <= threshold)


# %% mistake: per-layer
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: Every layer lost the same fraction. Rank the weights of all layers together: an important layer may keep more.
def prune_magnitude_(module, amount):
    for layer in prunable(module):
        prune.l1_unstructured(layer, "weight", amount=amount)


# %% mistake: random
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: The weights were cut at random. The smallest ones are asked for.
def prune_magnitude_(module, amount):
    weights = [(layer, "weight") for layer in prunable(module)]
    prune.global_unstructured(weights, prune.RandomUnstructured, amount=amount)


# %% mistake: amount-kept
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: `amount` is the fraction to cut; you keep that fraction, and cut the rest.
def prune_magnitude_(module, amount):
    weights = [(layer, "weight") for layer in prunable(module)]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=1 - amount)


# %% mistake: amount-as-threshold
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: You cut the weights that are smaller than `amount`. It is a fraction of their number, not a size.
def prune_magnitude_(module, amount):
    for layer in prunable(module):
        prune.custom_from_mask(layer, "weight", layer.weight.abs() > amount)


# %% mistake: biases-too
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: Biases were cut as well. They are few and matter much: leave them alone.
def prune_magnitude_(module, amount):
    tensors = [(layer, name) for layer in prunable(module) for name in ("weight", "bias")]
    prune.global_unstructured(tensors, prune.L1Unstructured, amount=amount)


# %% mistake: linear-only
# exercise: prune_magnitude_
# fails: test_pruning_cuts_the_smallest_of_all_layers
# advice: Only the linear layers were pruned. Convolutions have weights, too.
def prune_magnitude_(module, amount):
    weights = [(layer, "weight") for layer in module.modules() if isinstance(layer, nn.Linear)]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=amount)


# %% mistake: zeros-without-a-mask
# exercise: prune_magnitude_
# fails: test_training_on_revives_nothing
# advice: The weights are zero, but nothing keeps them there (a mask that is removed at once does not, either): the next
#   update of the optimizer revives them. They need a mask that stays.
def prune_magnitude_(module, amount):
    sizes = torch.cat([layer.weight.detach().abs().flatten() for layer in prunable(module)])
    threshold = sizes.kthvalue(round(amount * len(sizes))).values
    with torch.no_grad():
        for layer in prunable(module):
            layer.weight[layer.weight.abs() <= threshold] = 0


# %% mistake: all-frozen
# exercise: prune_magnitude_
# fails: test_training_on_revives_nothing
# advice: The zeros stay because nothing moves any more. The weights that are left must go on learning.
def prune_magnitude_(module, amount):
    weights = [(layer, "weight") for layer in prunable(module)]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=amount)
    for layer in prunable(module):
        layer.weight_orig.requires_grad_(False)


# %% mistake: biases-counted
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: Biases, or the batch norm, are counted, too. Look at the weights of the linear and convolutional layers alone.
def sparsity(module):
    values = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    return (values == 0).float().mean().item()


# %% mistake: mean-of-fractions
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: You average the layers' fractions, so a small layer counts as much as a large one. Add up the zeros and the
#   weights, then divide.
def sparsity(module):
    fractions = [(layer.weight == 0).float().mean().item() for layer in prunable(module)]
    return sum(fractions) / len(fractions)


# %% mistake: count-for-fraction
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: That is the number of zeros. The fraction is asked for.
def sparsity(module):
    return float(sum((layer.weight == 0).sum().item() for layer in prunable(module)))


# %% mistake: density
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: You count the weights that are not zero.
def sparsity(module):
    weights = torch.cat([layer.weight.detach().flatten() for layer in prunable(module)])
    return (weights != 0).double().mean().item()


# %% mistake: percent
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: That is in percent. A fraction lies between 0 and 1.
def sparsity(module):
    weights = torch.cat([layer.weight.detach().flatten() for layer in prunable(module)])
    return 100 * (weights == 0).double().mean().item()


# %% mistake: tensor-returned
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: The number is right, but a tensor. Make it a float of Python.
def sparsity(module):
    weights = torch.cat([layer.weight.detach().flatten() for layer in prunable(module)])
    return (weights == 0).float().mean()


# %% mistake: linear-only
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: Only the linear layers are counted. Convolutions have weights, too.
def sparsity(module):
    weights = [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)]
    return sum((w == 0).sum().item() for w in weights) / sum(w.numel() for w in weights)


# %% mistake: masks-overlooked
# exercise: sparsity
# fails: test_sparsity_counts_weights_alone
# advice: In a pruned module the Parameter is `weight_orig`, which still has all its values. What the layer computes with
#   is its attribute `weight`.
def sparsity(module):
    weights = [next(p for name, p in layer.named_parameters() if "weight" in name) for layer in prunable(module)]
    return sum((w == 0).sum().item() for w in weights) / sum(w.numel() for w in weights)


# %% mistake: masks-left
# exercise: finalize_pruning
# fails: test_finalizing_leaves_zeros_and_no_masks
# advice: The masks are still there, and go into every file: it has become larger, not smaller. Make them permanent.
def finalize_pruning(module):
    for layer in prunable(module):
        layer.weight.detach_()


# %% mistake: children-only
# exercise: finalize_pruning
# fails: test_finalizing_leaves_zeros_and_no_masks
# advice: Only some layers were finalized. `children()` does not look inside a block; every layer at any depth counts.
def finalize_pruning(module):
    for layer in module.children():
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and prune.is_pruned(layer):
            prune.remove(layer, "weight")


# %% mistake: zeros-revived
# exercise: finalize_pruning
# fails: test_finalizing_leaves_zeros_and_no_masks
# advice: The masks are gone, and the zeros with them: `weight_orig` has all its old values. The mask must be multiplied in
#   before it goes.
def finalize_pruning(module):
    for layer in prunable(module):
        if prune.is_pruned(layer):
            original = layer.weight_orig.detach().clone()
            prune.remove(layer, "weight")
            layer.weight.data = original


# %% mistake: weight-no-parameter
# exercise: finalize_pruning
# fails: test_finalizing_leaves_zeros_and_no_masks
# advice: The weight is a plain tensor now: it is missing in the state dict, and lost with the next save. It must be a
#   Parameter again.
def finalize_pruning(module):
    for layer in prunable(module):
        if prune.is_pruned(layer):
            prune.remove(layer, "weight")
            weight = layer.weight.detach().clone()
            del layer.weight
            layer.weight = weight


# %% mistake: masks-deleted
# exercise: finalize_pruning
# fails: test_finalizing_leaves_zeros_and_no_masks
# advice: The mask went, but `weight_orig` is still there, and the layer cannot compute its weight. `prune` has a function
#   that takes back all that it did, and keeps the zeros.
def finalize_pruning(module):
    for layer in prunable(module):
        if "weight_mask" in dict(layer.named_buffers()):
            layer._forward_pre_hooks.clear()
            del layer.weight_mask


# %% mistake: eps-outside
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: eps belongs inside the root, with the variance.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / (torch.sqrt(bn.running_var) + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: eps-forgotten
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: eps is missing: a batch norm adds it to the variance.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: bias-ignored
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: The convolution's own bias is lost. It goes through the batch norm, too.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(-factor * bn.running_mean + bn.bias)
    return folded


# %% mistake: bias-not-scaled
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: The convolution's bias is added as it is. It comes before the batch norm, so it is scaled like everything else.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(bias - factor * bn.running_mean + bn.bias)
    return folded


# %% mistake: bias-required
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: Before a batch norm a convolution often has no bias: then `conv.bias` is None.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * (conv.bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: variance-for-its-root
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: You divide by the variance. Its square root is the standard deviation.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / (bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: input-channels-scaled
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: The factor runs along the *input* channels of the weight. The batch norm comes after the convolution: scale the
#   output channels, which are the first dimension.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None])
        folded.bias = nn.Parameter(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: mean-forgotten
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: The running mean is missing in the new bias.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = torch.zeros(len(factor)) if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * bias + bn.bias)
    return folded


# %% mistake: shift-forgotten
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: The batch norm's own bias is missing in the new one.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * (bias - bn.running_mean))
    return folded


# %% mistake: gamma-forgotten
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: The factor lacks the batch norm's own weight.
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    with torch.no_grad():
        factor = 1 / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight.copy_(conv.weight * factor[:, None, None, None])
        folded.bias = nn.Parameter(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: both-in-a-row
# exercise: fold_batchnorm
# fails: test_the_folded_convolution_does_both
# advice: Both layers are still there, one after the other. One convolution is to do the work of both.
def fold_batchnorm(conv, bn):
    return nn.Sequential(conv, bn)


# %% mistake: geometry-lost
# exercise: fold_batchnorm
# fails: test_folding_keeps_the_geometry_and_the_originals
# advice: Stride, padding, dilation or groups of the convolution are lost.
def fold_batchnorm(conv, bn):
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight = nn.Parameter(conv.weight * factor[:, None, None, None])
        folded.bias.copy_(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: groups-lost
# exercise: fold_batchnorm
# fails: test_folding_keeps_the_geometry_and_the_originals
# advice: Stride and padding are kept; dilation and groups are not.
def fold_batchnorm(conv, bn):
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, stride=conv.stride, padding=conv.padding)
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        folded.weight = nn.Parameter(conv.weight * factor[:, None, None, None])
        folded.bias.copy_(factor * (bias - bn.running_mean) + bn.bias)
    return folded


# %% mistake: original-changed
# exercise: fold_batchnorm
# fails: test_folding_keeps_the_geometry_and_the_originals
# advice: The convolution that was given was changed itself, and followed by its batch norm it is scaled twice. Make a
#   new one.
def fold_batchnorm(conv, bn):
    with torch.no_grad():
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = 0 if conv.bias is None else conv.bias
        conv.weight.mul_(factor[:, None, None, None])
        conv.bias = nn.Parameter(factor * (bias - bn.running_mean) + bn.bias)
    return conv
