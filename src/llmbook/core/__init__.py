"""What two or more pages share: data, models, training, generation, evaluation and plotting.

One legend of shapes for the whole package: ``B`` batch, ``T`` tokens, ``S`` tokens attended to, ``C``
channels, ``H`` heads, ``G`` key/value heads, ``D`` head size, ``F`` feed-forward width, ``V`` vocabulary.
"""

import warnings

# tqdm, which transformers imports, warns about a missing widget library that this book has no use for.
warnings.filterwarnings("ignore", message="IProgress not found")
