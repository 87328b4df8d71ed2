#ifndef ECEWO_STANDIN_H
#define ECEWO_STANDIN_H
int ecewo_standin_answer(void);
#endif
