/* From library errors to exit statuses. The statuses themselves are in exit.def. */
#include <sotto.h>

#include "exit.h"

int exit_from_error(int error)
{
    switch (error) {
    case SOTTO_OK:
        return CLI_EXIT_OK;
    case SOTTO_EINVAL:
    case SOTTO_ELANGUAGE:
    case SOTTO_EUNSUPPORTED:
    case SOTTO_ESYNTAX:
        return CLI_EXIT_USAGE;
    case SOTTO_EMODEL:
        return CLI_EXIT_MODEL;
    case SOTTO_ENOENT:
    case SOTTO_EACCESS:
    case SOTTO_EIO:
    case SOTTO_EAUDIO:
        return CLI_EXIT_INPUT;
    case SOTTO_ENOSPACE:
        return CLI_EXIT_OUTPUT;
    case SOTTO_ENETWORK:
    case SOTTO_ECHECKSUM:
        return CLI_EXIT_NETWORK;
    case SOTTO_EABORTED:
        return CLI_EXIT_INTERRUPT;
    default:
        return CLI_EXIT_INTERNAL;
    }
}
