"""The compiled core: token ids in, token ids and log-probabilities out. It knows no text, no JSON and no HTTP.

Every call that computes releases the GIL. Errors: ValueError for bad arguments (shapes, names, ranges), MemoryError
when memory cannot be had. Nothing is read past the end of a buffer, whatever the arguments.
"""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

PAGE_TOKENS: int
"""Tokens in a page of the KV cache (128): the unit of allocation and of prefix reuse."""

def supported_isas() -> list[str]:
    """Instruction sets that this machine can run, best first: of "avx512_bf16", "avx512", "avx2", "portable"."""

@final
class Context:
    """Threads and instruction set. Passed to everything that computes; there are no globals."""

    def __init__(self, threads: int = 0, isa: str = "") -> None:
        """threads 0: one per core that this process may run on. isa "": the best that the machine has."""
    @property
    def threads(self) -> int: ...
    @property
    def isa(self) -> str: ...
    def read_bandwidth(self, megabytes: int = 512) -> float:
        """Measured memory read rate in GB/s, over all threads (best of several passes)."""
    def int8_peak(self) -> float:
        """Measured int8 dot-product rate in tera-operations per second, over all threads."""

@final
class RopeScaling:
    """How rotary frequencies are stretched. kind: "none", "linear" (divide by factor), "llama3", "factors" (each)."""

    def __init__(
        self,
        kind: str = "none",
        factor: float = 1.0,
        low_freq_factor: float = 1.0,
        high_freq_factor: float = 4.0,
        original_context: int = 8192,
        factors: Sequence[float] = (),
    ) -> None: ...

@final
class ModelConfig:
    """The switches of the one decoder. Plain attributes, checked when a Model is made of them."""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_eps: float
    embedding_scale: float  # 1.0; gemma: sqrt(hidden)
    query_scale: float  # 0.0 means 1/sqrt(head_dim)
    activation: str  # "silu" or "gelu_tanh"
    rope_interleaved: bool  # False: neox order (halves); True: pairs (GGUF's permuted llama)
    rope_dims: int  # rotated dimensions of a head; 0 means head_dim
    rope_theta: list[float]  # one per layer
    rope_scaled: list[bool]  # one per layer: whether rope_scaling applies
    rope_scaling: RopeScaling
    window: list[int]  # one per layer: sliding window in tokens, 0 for full attention
    def __init__(self) -> None: ...

@final
class Model:
    """Packed weights and the forward pass.

    Tensor names: "embed" [vocab, hidden], "lm_head" [vocab, hidden] (absent: tied to embed), "final_norm" [hidden], and
    per layer "layers.I.X" with X of: attn_norm [hidden]; attn_q [heads*head_dim, hidden]; attn_k, attn_v
    [kv_heads*head_dim, hidden]; attn_out [hidden, heads*head_dim]; attn_q_bias, attn_k_bias, attn_v_bias, attn_out_bias
    (optional); attn_q_norm, attn_k_norm [head_dim] (optional); attn_post_norm [hidden] (optional: applied to the
    attention's output before the residual is added); ffn_norm [hidden]; ffn_gate, ffn_up [intermediate, hidden];
    ffn_down [hidden, intermediate]; ffn_post_norm [hidden] (optional).
    """

    def __init__(self, context: Context, config: ModelConfig) -> None: ...
    def set_tensor(
        self, name: str, dtype: str, shape: Sequence[int], data: object, format: str = "", add: float = 0.0
    ) -> None:
        """Pack one tensor. data: any C-contiguous buffer with exactly the bytes that dtype and shape ask for.

        dtype: "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K".
        shape: [out, in] for matrices (row-major, so the reverse of GGUF's ne), [n] for vectors (norms and biases, any
        of the float types). format: compute format "q4", "q8" or "bf16"; "" takes the one that belongs to dtype.
        add: added to each value of a vector (Gemma's norms in safetensors are stored as w - 1).
        """
    def finish(self) -> None:
        """Check that nothing is missing. Must be called once, before the first forward."""
    @property
    def weight_bytes(self) -> int:
        """Bytes of packed weights that one decode step reads."""
    @property
    def linear_macs(self) -> int:
        """Multiply-adds of the linear layers per token, without the language-model head."""
    @property
    def formats(self) -> dict[str, int]:
        """Bytes of packed weights per compute format."""
    def forward(
        self,
        cache: KVCache,
        tokens: NDArray[np.int32],  # [T] the new tokens of all sequences, one sequence after another
        starts: NDArray[np.int32],  # [S+1] where each sequence's tokens start in tokens; starts[S] == T
        positions: NDArray[np.int32],  # [S] position of each sequence's first new token = tokens it has in the cache
        pages: NDArray[np.int32],  # [S, P] page ids in order; entries past the needed ones are ignored
        rows: NDArray[np.int32],  # [R] ascending indices into tokens whose next-token distribution is wanted
        targets: NDArray[np.int32],  # [R] -1: sample with samplers[r]; else the given next token, which is only scored
        samplers: Sequence[Sampler],  # [R] one per row; two rows may not share a sampler unless both only score
        routes: NDArray[np.int32] | None = None,  # [S, 4] far pages, offset, first, first_top
        far_heads: FarHeads | None = None,  # needed with routes
        shallow: bool = False,  # run only the layers that the far heads need; there are no rows then
        embeddings: NDArray[np.float32] | None = None,  # [E, hidden] the inputs of some tokens, such as an image's
        embedding_rows: NDArray[np.int32] | None = None,  # [E] ascending indices into tokens: whose inputs they are
    ) -> ForwardResult:
        """One step over a ragged batch: prefill chunks and decodes of many sequences in one call.

        A token's result does not depend on what it was batched with, on how its prompt was cut into chunks, or on
        whether its prefix came from reused pages: bit for bit, on one machine and ISA, for any number of threads.

        A routed sequence is longer than its pages. They begin with `far pages`: one with the text's first tokens, seen
        by all full-attention heads, and those that the far heads see alone; what follows is the window. positions are
        places in the pages; the place in the text is `offset` more, for what is in the window. Nothing of the
        window is seen before the place `first`; in layers that a shallow step leaves out, nothing before `first_top`.

        A token among embedding_rows has the given vector as its input, as it is (ModelConfig.embedding_scale is not
        applied), instead of its row of "embed"; its id, any of the vocabulary, is not looked at.
        """
    def logits(
        self,
        cache: KVCache,
        tokens: NDArray[np.int32],
        starts: NDArray[np.int32],
        positions: NDArray[np.int32],
        pages: NDArray[np.int32],
        rows: NDArray[np.int32],
        routes: NDArray[np.int32] | None = None,
        far_heads: FarHeads | None = None,
        embeddings: NDArray[np.float32] | None = None,
        embedding_rows: NDArray[np.int32] | None = None,
    ) -> NDArray[np.float32]:
        """As forward, but gives the raw logits [R, vocab]. For tests and evaluation."""
    def attention_mass(
        self,
        cache: KVCache,
        tokens: NDArray[np.int32],
        starts: NDArray[np.int32],
        positions: NDArray[np.int32],
        pages: NDArray[np.int32],
        rows: NDArray[np.int32],
        ranges: NDArray[np.int32],  # [R, 2] places [first, last) in the pages of each row's sequence
        routes: NDArray[np.int32] | None = None,
        far_heads: FarHeads | None = None,
    ) -> NDArray[np.float32]:
        """[R, layers, heads] the step's rows: what share of its attention each query head pays to the row's range.

        The step is run as forward runs it. For measuring; it takes longer.
        """
    def move(
        self,
        cache: KVCache,
        source: NDArray[np.uint8],  # [heads * head_bytes], as KVCache.gather gives them
        heads: FarHeads | None,  # None: all heads of the model
        source_slot: int,
        count: int,
        page: int,
        slot: int,
        distance: int,
    ) -> None:
        """Copy `count` tokens' keys and values into a page, as they would be `distance` positions later in a text.

        All slots lie within a page. Keys are turned by the distance: what was kept at one place can be seen at another.
        """

@final
class VisionConfig:
    """The shape of a vision tower. Plain attributes, checked when a VisionModel is made of them."""

    patch: int  # pixels of a patch's side
    positions: int  # learned position embeddings
    hidden: int
    intermediate: int
    layers: int
    heads: int  # hidden is a multiple of it; a head may have any number of dimensions
    norm_eps: float  # 1e-6
    shuffle: int  # patches of a side that become one token (Idefics3's scale_factor)
    text_hidden: int  # hidden size of the decoder that reads the tokens
    def __init__(self) -> None: ...

@final
class VisionModel:
    """A vision tower (SigLIP's encoder), pixel shuffle and connector as Idefics3 and SmolVLM have them.

    Tensor names, all of them needed: "patch" [hidden, 3*patch*patch] (the convolution's weights, flattened),
    "patch_bias" [hidden], "positions" [positions, hidden], "post_norm", "post_norm_bias" [hidden], "connector"
    [text_hidden, hidden*shuffle*shuffle], and per layer "layers.I.X" with X of: attn_norm, attn_norm_bias, ffn_norm,
    ffn_norm_bias [hidden]; attn_q, attn_k, attn_v, attn_out [hidden, hidden]; attn_q_bias, attn_k_bias, attn_v_bias,
    attn_out_bias [hidden]; ffn_up [intermediate, hidden]; ffn_up_bias [intermediate]; ffn_down [hidden, intermediate];
    ffn_down_bias [hidden]. The activation is GELU in its tanh form.
    """

    def __init__(self, context: Context, config: VisionConfig) -> None: ...
    def set_tensor(self, name: str, dtype: str, shape: Sequence[int], data: object, format: str = "") -> None:
        """Pack one tensor, as Model.set_tensor does. The positions stay floats, whatever the format."""
    def finish(self) -> None:
        """Check that nothing is missing. Must be called once, before the first encode."""
    @property
    def formats(self) -> dict[str, int]:
        """Bytes of packed weights per compute format."""
    def tokens(self, height: int, width: int) -> int:
        """Tokens that an image of this size becomes. Raises ValueError for one that cannot be encoded."""
    def encode(
        self,
        pixels: NDArray[np.float32],  # [images, 3, height, width] scaled and normalized
        positions: NDArray[np.int32],  # [images, patches] the learned position of each patch, row by row
        mask: NDArray[np.bool_] | None = None,  # [images, patches] False: padding, which no patch attends to
    ) -> NDArray[np.float32]:
        """[images, tokens, text_hidden]: the inputs of a decoder's tokens, one per square of patches, row by row.

        Pixels behind the last whole patch of a row or column are left out. Padding has output, too, where a square is
        padding. An image's result does not depend on the images beside it: bit for bit, on one machine and ISA, for any
        number of threads. One image is encoded after the other; steps of a Model of the same context come in between.
        """

@final
class FarHeads:
    """Which KV heads see far, and so keep what is older than the window."""

    def __init__(self, model: Model, heads: Sequence[int]) -> None:
        """heads: layer * kv_heads + head."""
    @property
    def heads(self) -> list[int]: ...  # ascending
    @property
    def depth(self) -> int:
        """Layers that a token has to be run through for what the far heads keep of it."""

@final
class ForwardResult:
    @property
    def tokens(self) -> NDArray[np.int32]: ...  # [R] sampled, or the target; -1: no token is allowed
    @property
    def logprobs(self) -> NDArray[np.float32]: ...  # [R] natural log-probability of that token, before any penalty
    @property
    def top_tokens(self) -> NDArray[np.int32]: ...  # [R, K] K = the most top_logprobs of any sampler; -1 where unused
    @property
    def top_logprobs(self) -> NDArray[np.float32]: ...  # [R, K]

@final
class KVCache:
    """Pages of keys and values, addressed by id. Who owns which page is the caller's business."""

    def __init__(self, model: Model, max_pages: int, kind: str = "int8") -> None:
        """kind "int8" (a scale per token and head) or "bf16". Address space is reserved, memory is taken on use."""
    @property
    def page_bytes(self) -> int: ...
    @property
    def max_pages(self) -> int: ...
    @property
    def head_bytes(self) -> int:
        """Of one KV head in a page."""
    def gather(self, page: int, heads: FarHeads, out: NDArray[np.uint8]) -> None:
        """What these heads have in a page, [heads * head_bytes]."""
    def copy_page(self, source: int, target: int) -> None: ...
    def release(self, page: int) -> None:
        """Give the page's memory back to the system. Its content is lost."""
    def view(self, page: int) -> NDArray[np.uint8]:
        """The page's bytes, writable, for storing and restoring it elsewhere."""

@final
class Sampler:
    """How one sequence picks its next token, with its random state and its token counts.

    Order: log-probabilities are taken from the raw logits; then logit_bias, repetition (over prompt and output),
    presence and frequency (over output) penalties; then the mask; then temperature (0: the largest), top_k, top_p,
    min_p. The random number for the i-th token depends on (seed, i) alone.
    """

    def __init__(
        self,
        *,
        vocab: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        min_p: float = 0.0,
        seed: int = 0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        repetition_penalty: float = 1.0,
        logit_bias: Mapping[int, float] | None = None,
        top_logprobs: int = -1,
    ) -> None:
        """top_logprobs -1: no log-probabilities (they come as 0 and cost nothing); 0..20: that many alternatives."""
    def observe_prompt(self, tokens: NDArray[np.int32]) -> None:
        """Tell the repetition penalty about the prompt. Replaces an earlier prompt."""
    def observe_output(self, tokens: NDArray[np.int32]) -> None:
        """Tokens of the answer that were not sampled: they count for the penalties and as draws."""
    def set_mask(self, mask: NDArray[np.uint32] | None) -> None:
        """Allowed tokens as a bit set, [ceil(vocab/32)] words, lowest bit first; None: all. Kept until changed.

        This and the two below may be called from any thread, also while forward runs.
        """
    def expect_mask(self) -> None:
        """The next token's mask is still being made: sampling waits until it is set or failed."""
    def fail_mask(self) -> None:
        """There will be none: this sampler's rows get the token -1 until another mask is set."""
    @property
    def generated(self) -> int: ...
    def sample(self, logits: NDArray[np.float32]) -> int:
        """Pick from one row of logits [vocab] (for tests; forward does the same in the core) and count the token."""

@final
class Bpe:
    """Byte-pair encoding: UTF-8 to token ids and back. Immutable; any number of threads may call at once."""

    def __init__(
        self,
        *,
        tokens: Sequence[str],
        kinds: bytes,
        merges: Sequence[str],
        scores: Sequence[float],
        pieces: str,
        ignore_merges: bool = False,
        unknown: int = -1,
        space_prefix: str = "none",
    ) -> None:
        """The fields of spatz.weights.tokenizer_spec.TokenizerSpec. Raises ValueError for an unsound vocabulary."""
    def encode(self, text: bytes, parse_special: bool = False, continues: bool = False) -> NDArray[np.int32]: ...
    def decode(self, ids: NDArray[np.int32], skip_control: bool = False) -> bytes:
        """The bytes of the tokens, one after another. Raises IndexError for an id that is not in the vocabulary."""
    def token_bytes(self, id: int) -> bytes: ...
    def find(self, token: str) -> int:
        """The id of the token that the file writes so, -1 if there is none."""
    def __len__(self) -> int: ...

@final
class TokenIndex:
    """Which blocks of a long text hold which tokens: an inverted index that grows as tokens arrive. Thread-safe."""

    def __init__(self, *, vocab: int, block_tokens: int = 64) -> None: ...
    def append(self, tokens: NDArray[np.int32]) -> None: ...
    def score(self, terms: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """[blocks] the BM25 score of each block for a query of weighted tokens; blocks are the documents."""
    def block_count(self, token: int) -> int:
        """In how many blocks the token occurs."""
    @property
    def blocks(self) -> int:
        """The last one may be partly filled."""
    @property
    def block_tokens(self) -> int: ...
    def __len__(self) -> int:
        """In tokens."""
