"""Views: one pass of the training set through the variance-suppression module (VSM; paper, section 3.2).

View ``v`` under a seed fixes, for every sample of the training set, its CutMix partner (``pairs``) and one
row of a table of random draws (``draws``, ``boxes``). ``apply`` and the operations behind it (``color``,
``geometry``, ``mixing``) turn images and rows into pixels and draw nothing themselves, so a view can be
rendered again at any time, in any batches of whole pairs, with the same pixels: teachers' logits stored for
a view belong to exactly the images a student sees later. ``view`` puts these parts together.

The idea of replaying an augmentation beside stored logits is TinyViT's (K. Wu et al., ECCV 2022).
"""
