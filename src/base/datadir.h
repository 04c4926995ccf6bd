/* Where models live. Reading only: what fetches them is src/fetch, which the library never links. */
#ifndef BASE_DATADIR_H
#define BASE_DATADIR_H

#include <stddef.h>

/* The model store: $SOTTO_MODELS, else $XDG_DATA_HOME/sotto/models, else
 * $HOME/.local/share/sotto/models. ENOENT if none of the three is set, EINVAL if `size` is too
 * small. The folder need not exist. */
int datadir_models(char *dst, size_t size);

/* Where `sotto model fetch silero-vad` puts the weights of the voice activity detector. */
int datadir_vad(char *dst, size_t size);

#endif
